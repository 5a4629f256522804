//go:build !linux

package protect

import "holdfast/internal/source/files"

// SameDisk tells whether losing one disk can lose what is at both paths: they
// are on one file system.
func SameDisk(a, b string) (bool, error) {
	ida, err := files.Identify(a)
	if err != nil {
		return false, err
	}
	idb, err := files.Identify(b)
	return err == nil && ida.DeviceID == idb.DeviceID, err
}
