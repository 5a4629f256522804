//go:build !linux && !darwin && !freebsd

package files

import "holdfast/repository/tree"

// attributesAt returns no attributes: what Windows keeps beside a file is
// recorded as generic attributes.
func attributesAt(string) ([]tree.ExtendedAttribute, error) { return nil, nil }
