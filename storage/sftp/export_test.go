package sftp

// Location is the URL of the folder that o leads to.
func Location(o Options) string { return o.location() }
