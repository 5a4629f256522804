package lock

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/repository/id"
	"holdfast/storage"
)

// folder is where the locks of a test lie. Its hooks, if set, answer instead.
type folder struct {
	mu    sync.Mutex
	files map[id.ID][]byte
	log   []string

	onList   func(ctx context.Context) error
	onLoad   func(ctx context.Context, i id.ID) error
	onSave   func(ctx context.Context) error
	onRemove func(ctx context.Context, i id.ID) error
	// loseAnswer makes Save store the file and fail all the same.
	loseAnswer error
}

func newFolder() *folder { return &folder{files: map[id.ID][]byte{}} }

func (f *folder) List(ctx context.Context, visit func(id.ID, int64) error) error {
	f.mu.Lock()
	onList := f.onList
	f.mu.Unlock()
	if err := hook(ctx, onList); err != nil {
		return err
	}
	for _, i := range f.ids() {
		f.mu.Lock()
		size := len(f.files[i])
		f.mu.Unlock()
		if err := visit(i, int64(size)); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) Load(ctx context.Context, i id.ID) ([]byte, error) {
	f.mu.Lock()
	onLoad := f.onLoad
	f.mu.Unlock()
	if onLoad != nil {
		if err := onLoad(ctx, i); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	data, ok := f.files[i]
	if !ok {
		return nil, storage.ErrNotFound
	}
	return data, ctx.Err()
}

func (f *folder) Save(ctx context.Context, plain []byte) (id.ID, error) {
	f.mu.Lock()
	onSave := f.onSave
	f.mu.Unlock()
	if err := hook(ctx, onSave); err != nil {
		return id.Random(), err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := id.Random() // each file is sealed with an IV of its own
	f.files[i] = plain
	f.log = append(f.log, "save")
	if f.loseAnswer != nil {
		return i, f.loseAnswer
	}
	return i, ctx.Err()
}

func (f *folder) Remove(ctx context.Context, i id.ID) error {
	f.mu.Lock()
	onRemove := f.onRemove
	f.mu.Unlock()
	if onRemove != nil {
		if err := onRemove(ctx, i); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, i)
	f.log = append(f.log, "remove")
	return nil
}

func hook(ctx context.Context, f func(context.Context) error) error {
	if f != nil {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// change sets hooks while the folder is in use.
func (f *folder) change(set func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set()
}

func (f *folder) ids() []id.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []id.ID
	for i := range f.files {
		ids = append(ids, i)
	}
	slices.SortFunc(ids, id.ID.Compare)
	return ids
}

func (f *folder) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// put stores another program's lock, or what is given as a string.
func (f *folder) put(t *testing.T, lock any) id.ID {
	t.Helper()
	plain, ok := lock.(string)
	if !ok {
		b, err := json.Marshal(lock)
		if err != nil {
			t.Fatal(err)
		}
		plain = string(b)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := id.Random()
	f.files[i] = []byte(plain)
	return i
}

// drop deletes a lock, as `unlock` of another program does.
func (f *folder) drop(i id.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, i)
}

// only returns the one lock there is.
func (f *folder) only(t *testing.T) (id.ID, Info) {
	t.Helper()
	ids := f.ids()
	if len(ids) != 1 {
		t.Fatalf("%d lock files, want 1", len(ids))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := Decode(f.files[ids[0]])
	if err != nil {
		t.Fatal(err)
	}
	return ids[0], info
}

// other is the lock of a living program on another host.
func other(exclusive bool) Info {
	return Info{Time: time.Now(), Exclusive: exclusive, Hostname: "elsewhere", Username: "u", PID: 1}
}
