package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// Every operation is described, and nothing else is.
func TestDocumentHasAllOperations(t *testing.T) {
	described := map[string]bool{}
	for path, item := range loadDocument(t).Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for _, o := range Operations() {
		if key := o.Method + " " + o.Path; !described[key] {
			t.Errorf("%s is not described: run `make docs`", key)
		} else {
			delete(described, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(described)) {
		t.Errorf("%s is described, and is not there", key)
	}
}

// Every operation takes and gives what the document says, with all fields set
// and with none.
func TestAnswersAreAsDescribed(t *testing.T) {
	doc := loadDocument(t)
	for _, empty := range []bool{false, true} {
		for _, o := range Operations() {
			if o.ID == "followUpdates" { // does not end; see updates_test.go
				continue
			}
			t.Run(fmt.Sprintf("%s/empty=%v", o.ID, empty), func(t *testing.T) {
				w := newWorld(t)
				w.backend.empty = empty
				prepare(t, w, &o)
				target, values := sampleTarget(&o)
				body := sampleBody(t, &o)
				answer := w.ask(RoleAdmin, o.Method, target, body)
				if answer.Code != o.Status {
					t.Fatalf("status %d, want %d: %s", answer.Code, o.Status, answer.Body)
				}
				r := request(o.Method, Prefix+target, body)
				item := doc.Paths.Value(o.Path)
				input := &openapi3filter.RequestValidationInput{
					Request: r, PathParams: values,
					Route:   &routers.Route{Spec: doc, Server: doc.Servers[0], Path: o.Path, PathItem: item, Method: o.Method, Operation: item.GetOperation(o.Method)},
					Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
				}
				checkDescribed(t, input, answer.Code, answer.Header(), answer.Body.Bytes())

				w.backend.err = fmt.Errorf("%w: sample", ErrUnavailable)
				failed := w.ask(RoleViewer, o.Method, target+"&nonsense=1", body)
				checkDescribed(t, input, failed.Code, failed.Header(), failed.Body.Bytes())
			})
		}
	}
}

// prepare makes what an operation of the guard speaks of.
func prepare(t *testing.T, w *world, o *Operation) {
	t.Helper()
	if o.ID == "revokeToken" {
		if _, _, err := w.guard.tokens.Create("sample", RoleViewer, 0, "test"); err != nil && !errors.Is(err, ErrTokenExists) {
			t.Fatal(err)
		}
	}
}

func checkDescribed(t *testing.T, input *openapi3filter.RequestValidationInput, status int, header http.Header, body []byte) {
	t.Helper()
	if status < 300 {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			t.Errorf("request: %v", err)
		}
	}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: input.Options,
	})
	if err != nil {
		t.Errorf("answer %d: %v", status, err)
	}
}

// sampleTarget returns a path and query with a value for every parameter.
func sampleTarget(o *Operation) (string, map[string]string) {
	path, query, values := o.Path, []string{}, map[string]string{}
	for _, p := range o.Parameters() {
		value := "sample"
		switch {
		case p.Name == "paper":
			value = string(KitText)
		case p.Name == "month":
			value = "2026-11"
		case p.Name == "follow":
			value = "false"
		case p.Name == "min_severity":
			value = "warning"
		case p.Field.Type.Kind() == reflect.Struct:
			value = "2026-11-23T02:00:00Z"
		case p.Field.Type.Kind() == reflect.Int, p.Field.Type.Kind() == reflect.Int64:
			value = "5"
		}
		if p.InPath {
			values[p.Name] = value
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
		} else {
			query = append(query, p.Name+"="+value)
		}
	}
	return path + "?" + strings.Join(query, "&"), values
}

func sampleBody(t *testing.T, o *Operation) string {
	t.Helper()
	if o.Body == nil {
		return ""
	}
	v := reflect.New(o.Body)
	fill(v.Elem())
	if q, ok := v.Interface().(*TokenRequest); ok {
		q.Name = "sample"
	}
	text, err := encode(v.Interface())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The types that are taken and given are all in use, and none says that it has
// a field that another answer lacks.
func TestParametersHaveNames(t *testing.T) {
	for name, want := range map[string]string{"MinSeverity": "min_severity", "ID": "id", "Plan": "plan", "Snapshot": "snapshot"} {
		if got := snake(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for _, o := range Operations() {
		for wanted := range strings.SplitSeq(o.Path, "/") {
			name, isParameter := strings.CutPrefix(wanted, "{")
			if !isParameter {
				continue
			}
			if !slices.ContainsFunc(o.Parameters(), func(p Parameter) bool { return p.InPath && p.Name == strings.TrimSuffix(name, "}") }) {
				t.Errorf("%s does not take %s", o.ID, wanted)
			}
		}
	}
}
