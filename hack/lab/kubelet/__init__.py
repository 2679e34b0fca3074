"""The parts of node_stand_in.py: what a kubelet and a container runtime do, with processes for containers."""
