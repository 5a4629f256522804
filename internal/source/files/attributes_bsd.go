//go:build darwin || freebsd

package files

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/pkg/xattr"

	"holdfast/repository/tree"
)

// attributesAt returns the extended attributes of the file at path, sorted
// by name, and with an error those that could be read.
func attributesAt(path string) ([]tree.ExtendedAttribute, error) {
	names, err := xattr.LList(path)
	if err != nil && !noAttributes(err) {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	slices.Sort(names)
	var attributes []tree.ExtendedAttribute
	var failed error
	for _, name := range names {
		value, err := xattr.LGet(path, name)
		switch {
		case err == nil:
			attributes = append(attributes, tree.ExtendedAttribute{Name: name, Value: bytes.Clone(value)})
		case noAttributes(err): // removed since it was listed
		default:
			failed = errors.Join(failed, fmt.Errorf("read extended attribute %s: %w", name, err))
		}
	}
	return attributes, failed
}

// noAttributes tells whether an error means that there is nothing to read.
func noAttributes(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, xattr.ENOATTR)
}
