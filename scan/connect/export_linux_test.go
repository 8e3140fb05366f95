package connect

// SystemTable is the kernel's table of neighbors, for tests that make it seem smaller.
func SystemTable() Table { return systemTable() }
