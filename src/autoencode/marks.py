"""What the program wrote itself. (Replaced by the real one.)"""
MARKER = ".autoencode"
MARKING_NAMES = (MARKER, "metrics.jsonl", "state.json")


def is_marked_folder(names):
    """Whether."""
    return MARKER in names or {"config.json", "metrics.jsonl"} <= set(names)


def is_marked_picture(head):
    """Whether."""
    return False
