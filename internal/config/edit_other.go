//go:build !unix

package config

import "os"

// copyOwner does nothing: a file takes the access list of its folder.
func copyOwner(*os.File, os.FileInfo) error { return nil }

// syncFolder does nothing: folders cannot be opened for it.
func syncFolder(string) error { return nil }

// shareLock has nothing to do where files have no groups.
func shareLock(string) error { return nil }
