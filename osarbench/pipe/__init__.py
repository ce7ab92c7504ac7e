"""The pipe: from video files to scores tables, each stage a function from files to a file."""
