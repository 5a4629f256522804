package app

import (
	"holdfast/storage"
	"holdfast/storage/local"
)

// LocalStores returns how a server opens the folders of its repositories.
// With group, their group may read them.
func LocalStores(group bool) func(dir string, create bool) (storage.Store, error) {
	return func(dir string, create bool) (storage.Store, error) {
		open := local.Open
		if create {
			open = local.Create
		}
		s, err := open(dir)
		if err == nil && group {
			err = s.ShareWithGroup()
		}
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}
