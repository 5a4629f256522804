package tree

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons for which a node or a tree is refused.
var (
	// ErrOrder marks a name that is not greater than the one before it.
	ErrOrder = errors.New("names are not in strictly ascending order")
	// ErrName marks a name that cannot be that of a file in its directory.
	// Joined to a path, it could lead out of the folder that is restored.
	ErrName = errors.New("not a file name")
	// ErrType marks a type that the format does not know.
	ErrType = errors.New("not a node type")
	// ErrContent marks a node whose content or subtree does not fit its type.
	ErrContent = errors.New("content does not fit the type")
)

// Validate returns what is wrong with a node, as `restic check` sees it and
// more strictly for names. The error wraps ErrName, ErrType or ErrContent.
// That a tree decodes does not mean that its nodes are valid.
func Validate(n *Node) error {
	if err := ValidateName(n.Name); err != nil {
		return err
	}
	switch n.Type {
	case File:
		return validateContent(n)
	case Dir:
		if n.Subtree == nil || n.Subtree.IsZero() {
			return fmt.Errorf("directory %q has no subtree: %w", n.Name, ErrContent)
		}
		return nil
	case Symlink, Device, CharDevice, Fifo, Socket:
		return nil
	}
	return fmt.Errorf("node %q has type %q: %w", n.Name, n.Type, ErrType)
}

// ValidateName returns an error that wraps ErrName unless name can be that
// of an entry of a directory.
func ValidateName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("name %q: %w", name, ErrName)
	}
	return nil
}

func validateContent(n *Node) error {
	if n.Content == nil {
		return fmt.Errorf("file %q has no list of blobs: %w", n.Name, ErrContent)
	}
	for i := range n.Content {
		if n.Content[i].IsZero() {
			return fmt.Errorf("blob %d of file %q has a zero ID: %w", i, n.Name, ErrContent)
		}
	}
	return nil
}
