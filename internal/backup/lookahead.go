package backup

import (
	"context"
	"sync"

	"holdfast/internal/source"
)

const (
	// partNames is how many names of a folder are handed to the walk at once.
	partNames = 128
	// queuedParts bounds how far the source is looked at ahead of the walk,
	// and with it the folders that are open for that.
	queuedParts = 16
)

// lookahead lists and stats the source ahead of the walk, so that the system
// calls, which a backup of unchanged files cannot do without, wait for nothing
// else. The walk gets all of it in its own order: folder by folder, name by
// name, what is in a subfolder right after its name.
type lookahead struct {
	parts  chan *part
	spare  sync.Pool // of *part
	opened *openFolders
}

// part is a stretch of a folder as the source has it now.
type part struct {
	folder *folder
	names  []string // of the whole folder, in its first part
	err    error    // why the folder cannot be listed: then this is all of it
	seen   []sight
	last   bool // of the folder
}

// sight is what the source tells of a name.
type sight struct {
	entry source.Entry
	err   error
	sub   *folder // whose parts follow, if the name is a folder's
}

func newLookahead(opened *openFolders) *lookahead {
	return &lookahead{
		parts:  make(chan *part, queuedParts),
		spare:  sync.Pool{New: func() any { return &part{seen: make([]sight, 0, partNames)} }},
		opened: opened,
	}
}

// run looks at all that is in the folder.
func (l *lookahead) run(ctx context.Context, root *folder) error {
	defer close(l.parts)
	return l.look(ctx, root)
}

func (l *lookahead) look(ctx context.Context, f *folder) error {
	p := l.partOf(f)
	if p.names, p.err = f.dir.Names(ctx); p.err != nil {
		p.last = true
		return l.hand(ctx, p)
	}
	for slot, name := range p.names {
		s := l.at(f, slot, name)
		p.seen = append(p.seen, s)
		if s.sub == nil && len(p.seen) < partNames {
			continue
		}
		if err := l.hand(ctx, p); err != nil {
			return err
		}
		if s.sub != nil {
			if err := l.look(ctx, s.sub); err != nil {
				return err
			}
		}
		p = l.partOf(f)
	}
	p.last = true
	return l.hand(ctx, p)
}

// at looks at one name, and opens it if it is a folder's.
func (l *lookahead) at(f *folder, slot int, name string) sight {
	e, err := f.dir.Stat(name)
	s := sight{entry: e, err: err}
	if err != nil || !e.IsDir() {
		return s
	}
	dir, err := f.dir.Sub(e)
	if err != nil {
		s.err = err
		return s
	}
	s.sub = &folder{parent: f, slot: slot, name: name, dir: dir}
	l.opened.add(s.sub)
	return s
}

func (l *lookahead) partOf(f *folder) *part {
	p := l.spare.Get().(*part) //nolint:forcetypeassert // the pool holds nothing else
	p.folder = f
	return p
}

func (l *lookahead) hand(ctx context.Context, p *part) error {
	select {
	case l.parts <- p:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// next returns the part that the walk comes to. It is to be released.
func (l *lookahead) next(ctx context.Context) (*part, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	select {
	case p, ok := <-l.parts:
		if ok {
			return p, nil
		}
		<-ctx.Done() // what ended the looking ends the walk
	case <-ctx.Done():
	}
	return nil, context.Cause(ctx)
}

// release takes a part back that nobody needs any more.
func (l *lookahead) release(p *part) {
	clear(p.seen)
	*p = part{seen: p.seen[:0]}
	l.spare.Put(p)
}
