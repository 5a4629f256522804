package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	writeText(w, status, text)
	return nil
}

// writeTagged answers with a value, or with the news that it is still what the
// client has.
func writeTagged(w http.ResponseWriter, r *http.Request, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	sendTagged(w, r, text)
	return nil
}

func sendTagged(w http.ResponseWriter, r *http.Request, text []byte) {
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache") // ask each time whether it changed
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	writeText(w, http.StatusOK, text)
}

func writeText(w http.ResponseWriter, status int, text []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", mediaJSON)
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // who is gone needs no answer
}

func encode(v any) ([]byte, error) {
	text, err := json.Marshal(filled(reflect.ValueOf(v)).Interface())
	if err != nil {
		return nil, fmt.Errorf("write the answer as JSON: %w", err)
	}
	return append(text, '\n'), nil
}

// filled returns a value with empty lists and maps where it has none, so that
// clients always find a list where there is to be one. The value itself is not
// changed: others may read it.
func filled(v reflect.Value) reflect.Value {
	if !v.IsValid() || !holdsLists(v.Type()) {
		return v
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(filled(v.Elem()))
		return p
	case reflect.Slice:
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			list.Index(i).Set(filled(v.Index(i)))
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			return reflect.MakeMap(v.Type())
		}
		return v
	case reflect.Struct:
		s := reflect.New(v.Type()).Elem()
		s.Set(v)
		for i := range v.NumField() {
			f := v.Type().Field(i)
			leftOut := v.Field(i).IsZero() && strings.Contains(f.Tag.Get("json"), ",omit")
			if f.IsExported() && !leftOut {
				s.Field(i).Set(filled(v.Field(i)))
			}
		}
		return s
	}
	return v
}

// holdsLists tells whether a value of a type may have a list in it that is
// written in JSON. Types that write themselves have none.
func holdsLists(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return holdsLists(t.Elem())
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Uint8
	case reflect.Map:
		return true
	case reflect.Struct:
		if t.Implements(reflect.TypeFor[json.Marshaler]()) {
			return false
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && holdsLists(f.Type) {
				return true
			}
		}
	}
	return false
}

// lister writes a list in JSON, one element after the other.
type lister struct {
	w       http.ResponseWriter
	begun   bool
	flushed time.Time
}

// flushEvery is how long an element that was found may wait for others.
const flushEvery = 100 * time.Millisecond

func (l *lister) add(v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	before := []byte{','}
	if !l.begun {
		l.w.Header().Set("Content-Type", mediaJSON)
		before[0], l.begun = '[', true
	}
	if _, err = l.w.Write(append(before, text...)); err != nil {
		return err
	}
	if time.Since(l.flushed) < flushEvery {
		return nil
	}
	l.flushed = time.Now()
	return http.NewResponseController(l.w).Flush()
}

// end ends the list, if all went well.
func (l *lister) end(err error) error {
	if err != nil {
		return err
	}
	rest := "]\n"
	if !l.begun {
		l.w.Header().Set("Content-Type", mediaJSON)
		rest, l.begun = "[]\n", true
	}
	_, err = l.w.Write([]byte(rest))
	return err
}
