package browse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"holdfast/internal/api"
	"holdfast/internal/snapfs"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// listing is what a folder holds, as far as a page shows it: some 100 bytes an
// entry, without pointers, that the collector of garbage would follow.
type listing struct {
	names  []byte
	rows   []row
	owners []owner
	// extras are the targets of symlinks, subtrees the folders below.
	extras   []string
	subtrees []id.ID
	damage   []api.Damage // their paths are names in the folder
	instead  *api.Instead

	mu     sync.Mutex
	orders map[string][]uint32
}

// row is an entry. Its name is names[name:name+length].
type row struct {
	size   uint64
	time   int64 // seconds since 1970
	nanos  uint32
	mode   os.FileMode
	name   uint32
	length uint16
	kind   kind
	owner  uint32
	extra  uint32 // of a symlink in extras, of a folder in subtrees
	// content and attributes differ if what a file holds, or what else people
	// care for of an entry, does.
	content    [16]byte
	attributes uint64
}

type owner struct{ user, group string }

type kind uint8

const (
	kindFile kind = iota
	kindFolder
	kindSymlink
	kindDevice
	kindPipe
	kindSocket
)

var kindNames = [...]string{"file", "folder", "symlink", "device", "pipe", "socket"}

func kindOf(t tree.Type) kind {
	switch t {
	case tree.Dir:
		return kindFolder
	case tree.Symlink:
		return kindSymlink
	case tree.Device, tree.CharDevice:
		return kindDevice
	case tree.Fifo:
		return kindPipe
	case tree.Socket:
		return kindSocket
	}
	return kindFile
}

// maxDamage bounds what is told of one folder.
const maxDamage = 100

// readListing reads a folder. That some of it cannot be read is told in the
// listing; an error is one of the repository or the context.
func (v *view) readListing(ctx context.Context, folder id.ID) (*listing, error) {
	ctx, borrowed := withNote(ctx)
	l := &listing{}
	owners := make(map[owner]uint32)
	for n, err := range v.nodes(ctx, folder) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		switch {
		case err != nil && n == nil && !isDamage(err):
			return nil, err
		case err != nil:
			name := ""
			if n != nil {
				name = n.Name
			}
			if len(l.damage) < maxDamage {
				l.damage = append(l.damage, api.Damage{Path: name, What: err.Error()})
			}
		default:
			l.add(n, owners)
		}
	}
	l.instead = borrowed.get()
	return l, nil
}

func (l *listing) add(n *tree.Node, owners map[owner]uint32) {
	o := owner{n.User, n.Group}
	if o.user == "" {
		o.user = fmt.Sprint(n.UID)
	}
	if o.group == "" {
		o.group = fmt.Sprint(n.GID)
	}
	number, ok := owners[o]
	if !ok {
		number = uint32(len(l.owners)) //nolint:gosec // no folder has as many entries
		l.owners = append(l.owners, owner{strings.Clone(o.user), strings.Clone(o.group)})
		owners[l.owners[number]] = number
	}
	r := row{
		size: n.Size, time: n.ModTime.Unix(), nanos: uint32(n.ModTime.Nanosecond()), mode: n.Mode, //nolint:gosec // below a billion
		name: uint32(len(l.names)), length: uint16(len(n.Name)), kind: kindOf(n.Type), owner: number, //nolint:gosec // names of files are short
	}
	r.content, r.attributes = contentOf(n), attributesOf(n)
	switch r.kind {
	case kindSymlink:
		r.extra = uint32(len(l.extras)) //nolint:gosec // see above
		l.extras = append(l.extras, strings.Clone(n.LinkTarget))
	case kindFolder:
		r.extra = uint32(len(l.subtrees)) //nolint:gosec // see above
		l.subtrees = append(l.subtrees, *n.Subtree)
	}
	l.names = append(l.names, n.Name...)
	l.rows = append(l.rows, r)
}

// contentOf sums up what a file holds.
func contentOf(n *tree.Node) (sum [16]byte) {
	if n.Type != tree.File {
		return sum
	}
	h := sha256.New()
	for k := range n.Content {
		h.Write(n.Content[k][:]) //nolint:errcheck // a hash never fails
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// attributesOf sums up what people care for of an entry beside its name, kind,
// size, mode, time and content: not that it was read.
func attributesOf(n *tree.Node) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %q %q %d %q", n.UID, n.GID, n.User, n.Group, n.Device, n.LinkTarget) //nolint:errcheck // a hash never fails
	for _, a := range n.ExtendedAttributes {
		fmt.Fprintf(h, " %q %q", a.Name, a.Value) //nolint:errcheck // see above
	}
	return h.Sum64()
}

// name returns the name of an entry, which shares the memory of the listing.
func (l *listing) name(r *row) string {
	return unsafe.String(unsafe.SliceData(l.names[r.name:]), int(r.length)) // names never change
}

// child returns the entry of a name.
func (l *listing) child(name string) (*row, bool) {
	n, found := slices.BinarySearchFunc(l.rows, name, func(r row, name string) int { return cmp.Compare(l.name(&r), name) })
	if found {
		return &l.rows[n], true
	}
	for n := range l.rows { // trees of very old programs are in another order
		if l.name(&l.rows[n]) == name {
			return &l.rows[n], true
		}
	}
	return nil, false
}

// entry describes an entry of a folder at a path.
func (l *listing) entry(folder string, r *row) api.Entry {
	name := strings.Clone(l.name(r))
	e := api.Entry{
		Name: api.PathText(name), Path: api.PathText(snapfs.Join(folder, name)), Kind: kindNames[r.kind], Size: r.size,
		Mode: r.mode.String(), Time: time.Unix(r.time, int64(r.nanos)).UTC(), User: l.owners[r.owner].user, Group: l.owners[r.owner].group,
	}
	if r.kind == kindSymlink {
		e.Target = api.PathText(l.extras[r.extra])
	}
	if r.kind != kindFile {
		e.Size = 0
	}
	return e
}

// bytes is what the listing takes.
func (l *listing) bytes() int {
	n := cap(l.names) + cap(l.rows)*int(unsafe.Sizeof(row{})) + cap(l.subtrees)*len(id.ID{}) + 1<<10
	for _, e := range l.extras {
		n += len(e) + 16
	}
	return n + len(l.rows)*4*2 // two orders, as a rule
}

// order returns the numbers of the rows in an order.
func (l *listing) order(by string) ([]uint32, error) {
	key, reversed := strings.CutPrefix(by, "-")
	key = cmp.Or(key, "name")
	compare := l.comparisons()[key]
	if compare == nil {
		return nil, fmt.Errorf("%w: there is no order %q: name, size and time, with a - before for the other way round", api.ErrInvalid, by)
	}
	name := key
	if reversed {
		name = "-" + key
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.orders[name]; ok {
		return o, nil
	}
	o := make([]uint32, len(l.rows))
	for n := range o {
		o[n] = uint32(n) //nolint:gosec // see add
	}
	var folded []string
	if key == "name" {
		folded = make([]string, len(l.rows))
		for n := range l.rows {
			folded[n] = strings.ToLower(l.name(&l.rows[n]))
		}
	}
	slices.SortFunc(o, func(x, y uint32) int {
		a, b := &l.rows[x], &l.rows[y]
		if folders := cmp.Compare(isOther(a), isOther(b)); folders != 0 {
			return folders
		}
		var c int
		if folded != nil {
			c = cmp.Or(strings.Compare(folded[x], folded[y]), strings.Compare(l.name(a), l.name(b)))
		} else {
			c = compare(a, b)
		}
		if reversed {
			c = -c
		}
		return cmp.Or(c, strings.Compare(l.name(a), l.name(b)))
	})
	if len(l.orders) >= 2 {
		l.orders = nil
	}
	if l.orders == nil {
		l.orders = make(map[string][]uint32, 2)
	}
	l.orders[name] = o
	return o, nil
}

func isOther(r *row) int {
	if r.kind == kindFolder {
		return 0
	}
	return 1
}

// comparisons are the orders there are.
func (l *listing) comparisons() map[string]func(a, b *row) int {
	return map[string]func(a, b *row) int{
		"name": func(a, b *row) int { return strings.Compare(l.name(a), l.name(b)) },
		"size": func(a, b *row) int { return cmp.Compare(a.size, b.size) },
		"time": func(a, b *row) int { return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.nanos, b.nanos)) },
	}
}
