package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// described is an HTTP client that fails the test when an answer is not as the
// API's own document says, which it asks the service for.
type described struct {
	t      testing.TB
	doc    *openapi3.T
	routes *http.ServeMux
	items  map[string]string // path of the document by pattern
}

const prefix = "/api/v1"

func newDescribed(t testing.TB, url string) *described {
	t.Helper()
	answer, err := http.Get(url + "api/v1/openapi.json") //nolint:gosec,noctx // the service of the test
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	d := &described{t: t, routes: http.NewServeMux(), items: map[string]string{}}
	if d.doc, err = openapi3.NewLoader().LoadFromData(text); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			pattern := method + " " + prefix + path
			d.routes.Handle(pattern, http.NotFoundHandler())
			d.items[pattern] = path
		}
	}
	return d
}

// Do implements client.HttpRequestDoer.
func (d *described) Do(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultClient.Do(r)
	if err != nil || !strings.Contains(answer.Header.Get("Content-Type"), "json") {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	if err := d.check(r, answer, body); err != nil {
		d.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	return answer, nil
}

func (d *described) check(r *http.Request, answer *http.Response, body []byte) error {
	_, pattern := d.routes.Handler(r)
	path, ok := d.items[pattern]
	if !ok {
		return fmt.Errorf("the document does not have it")
	}
	item := d.doc.Paths.Value(path)
	route := &routers.Route{Spec: d.doc, Path: path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route},
		Status:                 answer.StatusCode, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
}
