package api

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Parameter is one that an operation takes from its path or query.
type Parameter struct {
	Name   string
	InPath bool
	Field  reflect.StructField
	// Owner is the type that has the field.
	Owner reflect.Type
}

// maxLimit bounds what a list may be asked for. Lists that come as they are
// found may be longer.
const (
	maxLimit       = 1000
	maxStreamLimit = 100_000
)

// MaxOf returns the largest value of a parameter that says how many are meant,
// 0 for others.
func (o *Operation) MaxOf(p Parameter) int {
	switch {
	case p.Name != "limit":
		return 0
	case o.Streamed:
		return maxStreamLimit
	}
	return maxLimit
}

// Parameters are those of an operation, those of the path first.
func (o *Operation) Parameters() []Parameter {
	if o.Params == nil {
		return nil
	}
	var all []Parameter
	for _, f := range reflect.VisibleFields(o.Params) {
		if f.Anonymous {
			continue
		}
		owner := o.Params
		for _, i := range f.Index[:len(f.Index)-1] {
			owner = owner.Field(i).Type
		}
		name := snake(f.Name)
		all = append(all, Parameter{Name: name, InPath: strings.Contains(o.Path, "{"+name+"}"), Field: f, Owner: owner})
	}
	slices.SortStableFunc(all, func(a, b Parameter) int {
		if a.InPath == b.InPath {
			return 0
		}
		if a.InPath {
			return -1
		}
		return 1
	})
	return all
}

// snake writes a name of Go as one of JSON: MinSeverity is min_severity.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// readParams reads what an operation takes from the path and the query. What
// is not known is refused: a filter that is misspelt would show everything.
func (o *Operation) readParams(r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: the query is not written as one: escape what is in it", ErrInvalid)
	}
	var value reflect.Value
	if o.Params != nil {
		value = reflect.New(o.Params)
	}
	for _, p := range o.Parameters() {
		text := query.Get(p.Name)
		if p.InPath {
			text = r.PathValue(p.Name)
		} else {
			delete(query, p.Name)
		}
		if text == "" {
			continue
		}
		if err := setText(value.Elem().FieldByIndex(p.Field.Index), text); err != nil {
			return nil, fmt.Errorf("%w: %s=%s: %w", ErrInvalid, p.Name, strconv.Quote(clip(text)), err)
		}
		if most := o.MaxOf(p); most > 0 {
			if n := value.Elem().FieldByIndex(p.Field.Index).Int(); n < 0 || n > int64(most) {
				return nil, fmt.Errorf("%w: limit=%d: write 1 to %d", ErrInvalid, n, most)
			}
		}
	}
	for name := range query {
		return nil, fmt.Errorf("%w: there is no parameter %s here", ErrInvalid, strconv.Quote(clip(name)))
	}
	if o.Params == nil {
		return nil, nil //nolint:nilnil // there are none
	}
	return value.Interface(), nil
}

// setText sets a field to what a text says.
func setText(v reflect.Value, text string) error {
	switch field := v.Addr().Interface().(type) {
	case *time.Time:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return errors.New("write a time like 2026-11-23T14:05:00Z, with the + of a zone as %2B")
		}
		*field = t
		return nil
	case encoding.TextUnmarshaler:
		return setExact(field, text)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("write a whole number")
		}
		v.SetInt(n)
	case reflect.Bool:
		is, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("write true or false")
		}
		v.SetBool(is)
	default:
		panic("api: no parameter can be a " + v.Type().String())
	}
	return nil
}

// setExact reads a word, which has to be one that would be written.
func setExact(field encoding.TextUnmarshaler, text string) error {
	if err := field.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	if m, ok := field.(encoding.TextMarshaler); ok {
		if written, err := m.MarshalText(); err != nil || string(written) != text {
			return errors.New("this word is not known")
		}
	}
	return nil
}

// readBody reads what an operation takes in JSON: one value, of which every
// field is known.
func (o *Operation) readBody(r *http.Request) (any, error) {
	if o.Body == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != mediaJSON {
		return nil, fmt.Errorf("%w: send JSON, with Content-Type: %s", errMedia, mediaJSON)
	}
	value := reflect.New(o.Body).Interface()
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(value); err != nil {
		return nil, fmt.Errorf("%w: the body cannot be read as JSON: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: there is more after the body's end", ErrInvalid)
	}
	return value, nil
}
