package logarchive

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/storage"
)

// Sources returns the names of the sources that a store has log archives of,
// sorted.
func Sources(ctx context.Context, store storage.Store) ([]string, error) {
	found := map[string]bool{}
	err := store.List(ctx, Root, func(info storage.Info) error {
		if name, _, ok := strings.Cut(strings.TrimPrefix(info.Key, Root), "/"); ok && validName(name) {
			found[name] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log archives: %w", err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}
