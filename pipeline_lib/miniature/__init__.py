"""The miniature: a small drawn world that stands in for every download, so that the whole pipeline runs anywhere."""
