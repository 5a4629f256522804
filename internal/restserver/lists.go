package restserver

import (
	"bufio"
	"encoding/json"
	"path"
	"strings"

	"holdfast/storage"
)

// The types of lists: names alone, or names with sizes.
const (
	mimeV1 = "application/vnd.x.restic.rest.v1"
	mimeV2 = "application/vnd.x.restic.rest.v2"
)

// entry is one object in a list with sizes.
type entry struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// list sends the objects of one kind, or those below holdfast/. A failure on
// the way breaks the answer off, so that no client takes it for the whole.
func (q *request) list() error {
	s, err := q.store()
	if err != nil {
		return err
	}
	sizes := q.kind == own || q.r.Header.Get("Accept") == mimeV2
	q.w.Header().Set("Content-Type", mimeV1)
	if sizes {
		q.w.Header().Set("Content-Type", mimeV2)
	}
	out := bufio.NewWriterSize(q.w, 64<<10)
	separator := byte('[')
	err = s.List(q.r.Context(), q.key, func(info storage.Info) error {
		name, ok := q.listName(info.Key)
		if !ok {
			return nil
		}
		var item any = name
		if sizes {
			item = entry{name, info.SizeBytes}
		}
		data, err := json.Marshal(item)
		if err != nil {
			return err
		}
		out.WriteByte(separator) //nolint:errcheck // the error comes again at Write
		separator = ','
		_, err = out.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	if separator == '[' {
		out.WriteByte('[') //nolint:errcheck // see Flush
	}
	out.WriteByte(']') //nolint:errcheck // see Flush
	return out.Flush()
}

// listName is the name of an object within its list. What has no proper name
// was put there by somebody else, and is not shown.
func (q *request) listName(key string) (name string, ok bool) {
	if q.kind == own {
		return strings.TrimPrefix(key, q.key), true
	}
	name = path.Base(key)
	return name, isID(name)
}
