package history

// syncDir does nothing: names in folders cannot be flushed here.
func syncDir(string) error { return nil }
