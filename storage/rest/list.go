package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"holdfast/storage"
)

// List asks for each kind of object that prefix may mean; see storage.Store.
// A list is read whole before its objects are visited, some 100 bytes each:
// visiting may take long, and may need the connection.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v := visitor{ctx: ctx, prefix: prefix, visit: visit}
	if prefix == "" {
		if err := s.listConfig(&v); err != nil {
			return err
		}
	}
	for _, kind := range kinds {
		if prefix == "" || strings.HasPrefix(prefix, kind+"/") {
			if err := s.listKind(&v, kind); err != nil {
				return err
			}
		}
	}
	if prefix == "" || strings.HasPrefix(prefix, ownKeys) {
		return s.listOwn(&v, cmp.Or(prefix, ownKeys))
	}
	return ctx.Err()
}

// visitor visits the objects of one List.
type visitor struct {
	ctx    context.Context // of the List
	prefix string
	visit  func(storage.Info) error
}

func (v *visitor) all(objects []storage.Info) error {
	for _, o := range objects {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if !strings.HasPrefix(o.Key, v.prefix) {
			continue
		}
		if err := v.visit(o); err != nil {
			return err
		}
	}
	return v.ctx.Err()
}

func (s *Store) listConfig(v *visitor) error {
	info, err := s.Stat(v.ctx, config)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return v.all([]storage.Info{info})
}

// listKind lists the files of one kind. What has no hash for a name is a
// temporary file of the server.
func (s *Store) listKind(v *visitor, kind string) error {
	entries, err := s.entries(v.ctx, kind+"/")
	if err != nil {
		return fmt.Errorf("list %s: %w", kind, err)
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return !isID(e.Name) })
	objects := make([]storage.Info, len(entries))
	for i, e := range entries {
		objects[i] = storage.Info{Key: keyOf(kind, e.Name), SizeBytes: e.Size}
	}
	return v.all(objects)
}

// listOwn lists what lies below holdfast/, where the names are paths.
func (s *Store) listOwn(v *visitor, prefix string) error {
	entries, err := s.entries(v.ctx, prefix)
	if isStatus(err, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest) {
		return nil // a server that has none of them
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	var objects []storage.Info
	for _, e := range entries {
		if key := prefix + e.Name; storage.CheckKey(key) == nil {
			objects = append(objects, storage.Info{Key: key, SizeBytes: e.Size})
		}
	}
	return v.all(objects)
}

// entry is one object in a list.
type entry struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// entries asks for a list. A folder that is not there holds nothing.
func (s *Store) entries(ctx context.Context, folder string) ([]entry, error) {
	resp, err := s.send(s.request(ctx, http.MethodGet, folder))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != mimeV2 {
		return s.entriesV1(ctx, folder, resp.Body)
	}
	return decodeList[entry](resp.Body)
}

// entriesV1 reads a list of names, and asks for the size of each one.
func (s *Store) entriesV1(ctx context.Context, folder string, body io.Reader) ([]entry, error) {
	names, err := decodeList[string](body)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, name := range names {
		if !isID(name) {
			continue
		}
		size, err := s.size(ctx, folder+name)
		if errors.Is(err, storage.ErrNotFound) { // deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name, size})
	}
	return entries, nil
}

// decodeList decodes an array, which must be whole: a list that is cut off
// would make objects look lost.
func decodeList[T any](body io.Reader) ([]T, error) {
	d := json.NewDecoder(body)
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("read the list: it does not begin as one: %w", unexpected(err))
	}
	var all []T
	for d.More() {
		var one T
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("read the list: %w", unexpected(err))
		}
		all = append(all, one)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("read the list: %w", unexpected(err))
	}
	return all, nil
}

func unexpected(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
