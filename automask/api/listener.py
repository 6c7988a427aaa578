"""Hear what a function says while it works: its sentences, and how far it is."""

from automask.listener import Listener as Listener
from automask.listener import listening as listening
