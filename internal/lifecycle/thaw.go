package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/storage"
)

// ThawPlan says which of some objects have to be made readable first.
type ThawPlan struct {
	// Cold lie in a cold class and nobody has asked for them; Thawing were
	// asked for and are not readable yet.
	Cold, Thawing []storage.Info
	// Classes sums them up by class.
	Classes map[string]Amount
	// ReadableUntil is when the first of the copies goes that are thawed
	// already; zero for none.
	ReadableUntil time.Time

	tiering storage.Tiering
	thawed  []thawedCopy
}

// thawedCopy is an object that can be read until an instant.
type thawedCopy struct {
	key   string
	until time.Time
}

// Amount is a number of objects and their size.
type Amount struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// NothingToDo tells whether everything can be read.
func (p *ThawPlan) NothingToDo() bool { return len(p.Cold)+len(p.Thawing) == 0 }

// Total returns how much has to be thawed or waited for.
func (p *ThawPlan) Total() (a Amount) {
	for c := range maps.Values(p.Classes) {
		a.Objects += c.Objects
		a.Bytes += c.Bytes
	}
	return a
}

const (
	// thawsAtOnce bounds the requests under way.
	thawsAtOnce = 16
	// fewObjects is up to how many objects are asked about one by one; with
	// more, listing all with their classes takes fewer requests.
	fewObjects = 50
)

// PlanThaw finds out which of some objects cannot be read now. Stores without
// storage classes have none.
func PlanThaw(ctx context.Context, s storage.Store, keys []string) (*ThawPlan, error) {
	p := &ThawPlan{Classes: map[string]Amount{}}
	var ok bool
	if p.tiering, ok = storage.As[storage.Tiering](s); !ok || len(keys) == 0 {
		return p, nil
	}
	keys, err := p.perhapsCold(ctx, keys)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	err = forEach(ctx, keys, func(ctx context.Context, key string) error {
		t, err := p.tiering.Tier(ctx, key)
		if errors.Is(err, storage.ErrNotFound) {
			return nil // the restore reports it
		}
		if err != nil {
			return fmt.Errorf("storage class of %s: %w", key, err)
		}
		mu.Lock()
		defer mu.Unlock()
		p.note(key, t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, p.sizes(ctx, s)
}

// perhapsCold leaves out the objects that a listing shows to be readable.
func (p *ThawPlan) perhapsCold(ctx context.Context, keys []string) ([]string, error) {
	if len(keys) <= fewObjects {
		return keys, nil
	}
	cold, thawed := make(map[string]bool), make(map[string]storage.Tier)
	err := p.tiering.ListTiers(ctx, commonFolder(keys), func(i storage.Info, t storage.Tier) error {
		switch {
		case t.Cold:
			cold[i.Key] = true
		case !t.ThawedUntil.IsZero():
			thawed[i.Key] = t
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list storage classes: %w", err)
	}
	for _, key := range keys {
		if t, ok := thawed[key]; ok {
			p.note(key, t)
		}
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !cold[key] }), nil
}

// commonFolder returns the first folder of all keys if it is the same, and ""
// otherwise.
func commonFolder(keys []string) string {
	folder, _, _ := strings.Cut(keys[0], "/")
	for _, key := range keys {
		if !strings.HasPrefix(key, folder+"/") {
			return ""
		}
	}
	return folder + "/"
}

func (p *ThawPlan) note(key string, t storage.Tier) {
	i := storage.Info{Key: key}
	switch {
	case t.Thawing:
		p.Thawing = append(p.Thawing, i)
	case t.Cold:
		p.Cold = append(p.Cold, i)
	case !t.ThawedUntil.IsZero():
		p.thawed = append(p.thawed, thawedCopy{key, t.ThawedUntil})
		if p.ReadableUntil.IsZero() || t.ThawedUntil.Before(p.ReadableUntil) {
			p.ReadableUntil = t.ThawedUntil
		}
		return
	default:
		return
	}
	a := p.Classes[t.Class]
	a.Objects++
	p.Classes[t.Class] = a
}

// sizes fills in how large the objects are.
func (p *ThawPlan) sizes(ctx context.Context, s storage.Store) error {
	wanted := make(map[string]*storage.Info)
	var keys []string
	for _, list := range [][]storage.Info{p.Cold, p.Thawing} {
		for n := range list {
			wanted[list[n].Key] = &list[n]
			keys = append(keys, list[n].Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return p.tiering.ListTiers(ctx, commonFolder(keys), func(i storage.Info, t storage.Tier) error {
		if w := wanted[i.Key]; w != nil {
			w.SizeBytes = i.SizeBytes
			a := p.Classes[t.Class]
			a.Bytes += i.SizeBytes
			p.Classes[t.Class] = a
		}
		return nil
	})
}

// maxRefusals bounds the refusals that an error names.
const maxRefusals = 3

// Execute asks for all cold objects at once, and counts in done those that
// were asked for. Asking again does no harm. What is refused keeps nothing else
// from being asked for, and is cold still.
func (p *ThawPlan) Execute(ctx context.Context, o storage.ThawOptions, done *atomic.Uint64) error {
	var mu sync.Mutex
	var refusals []error
	asked := make(map[string]bool)
	err := forEach(ctx, keysOf(p.Cold), func(ctx context.Context, key string) error {
		err := p.tiering.Thaw(ctx, key, o)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, storage.ErrNotFound): // the restore reports it
			asked[key] = false
		case err != nil:
			refusals = append(refusals, fmt.Errorf("thaw %s: %w", key, err))
		default:
			asked[key] = true
			done.Add(1)
		}
		return nil
	})
	var cold []storage.Info
	for _, i := range p.Cold {
		switch thawing, answered := asked[i.Key]; {
		case thawing:
			p.Thawing = append(p.Thawing, i)
		case !answered:
			cold = append(cold, i)
		}
	}
	all := len(p.Cold)
	p.Cold = cold
	if err == nil && len(refusals) > 0 {
		err = fmt.Errorf("%d of %d objects are not thawed, the others are asked for: %w", len(refusals), all, errors.Join(refusals[:min(len(refusals), maxRefusals)]...))
	}
	return err
}

// Prolong asks for copies that are thawed already to stay for as long as those
// that are asked for now, where less than half of that is left: the work that
// reads them may take days. What is refused stays for as long as it would.
func (p *ThawPlan) Prolong(ctx context.Context, o storage.ThawOptions, now time.Time) error {
	var ending []string
	for _, t := range p.thawed {
		if t.until.Before(now.Add(o.For / 2)) {
			ending = append(ending, t.key)
		}
	}
	return forEach(ctx, ending, func(ctx context.Context, key string) error {
		p.tiering.Thaw(ctx, key, o) //nolint:errcheck // see above
		return context.Cause(ctx)
	})
}

func keysOf(list []storage.Info) []string {
	var keys []string
	for _, i := range list {
		keys = append(keys, i.Key)
	}
	return keys
}

const (
	// firstLook and longestLook bound the pauses between looks at what is
	// thawing: some services take minutes, most take hours, and looking costs
	// a request.
	firstLook   = 30 * time.Second
	longestLook = 10 * time.Minute
	// inVain is after how many objects in a row that are not readable yet a
	// look ends: they were asked for together.
	inVain = 20
)

// Wait waits until everything can be read, at most so long, and counts down
// in left what cannot. It returns context.DeadlineExceeded when the time is
// up; what was asked for goes on thawing.
func (p *ThawPlan) Wait(ctx context.Context, atMost time.Duration, left *atomic.Int64) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		if err := p.look(ctx); err != nil {
			return err
		}
		left.Store(int64(len(p.Thawing)))
		if len(p.Thawing) == 0 {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look takes out of the plan what can be read by now.
func (p *ThawPlan) look(ctx context.Context) error {
	var waiting []storage.Info
	for n, i := range p.Thawing {
		if len(waiting) >= inVain && len(waiting) == n {
			waiting = append(waiting, p.Thawing[n:]...)
			break
		}
		t, err := p.tiering.Tier(ctx, i.Key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return fmt.Errorf("storage class of %s: %w", i.Key, err)
		case t.Cold:
			waiting = append(waiting, i)
		}
	}
	p.Thawing = waiting
	return nil
}

// forEach does something with each key, several at once, until one fails.
func forEach(ctx context.Context, keys []string, do func(context.Context, string) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(thawsAtOnce)
	for _, key := range keys {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(gctx, key) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// errFound ends a listing.
var errFound = errors.New("found")

// AnyCold tells whether anything below a prefix lies in a class that cannot
// be read at once. Stores without classes have nothing of the kind.
func AnyCold(ctx context.Context, s storage.Store, prefix string) (bool, error) {
	tiering, ok := storage.As[storage.Tiering](s)
	if !ok {
		return false, nil
	}
	err := tiering.ListTiers(ctx, prefix, func(_ storage.Info, t storage.Tier) error {
		if t.Cold {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("list storage classes: %w", err)
	}
	return false, nil
}
