"""What `bitlens device setup` prepares: a board over SSH, or an emulated one from Debian's packages."""
