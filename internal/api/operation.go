package api

import (
	"context"
	"net/http"
	"reflect"
)

// Operation is one thing that the API does. From the list of all
// (Operations) the server takes what it serves, and its OpenAPI document what
// it says.
type Operation struct {
	// Method and Path, below Prefix, are where it is.
	Method, Path string
	// ID names it, in clients and in the audit log; Summary says what it does.
	ID, Summary string
	// Role is the least that may ask for it.
	Role Role
	// Params are what it takes from the path and the query: a struct whose
	// fields are named as in Go, in snake_case. Body is what it takes in JSON,
	// Answer what it gives; nil for none.
	Params, Body, Answer reflect.Type
	// Media is that of the answer: JSON, or another one that has no Answer.
	Media string
	// Status is that of an answer that is no problem.
	Status int
	// Streamed tells that an answer is written as it is found.
	Streamed bool

	serve func(s *Server, w http.ResponseWriter, r *http.Request, params, body any) error
}

const mediaJSON = "application/json"

// none is what an operation has that takes or gives nothing.
type none struct{}

// get is an operation that tells something.
func get[P, A any](path string, role Role, id, summary string, call func(ctx context.Context, s *Server, p P) (A, error)) Operation {
	return Operation{
		Method: http.MethodGet, Path: path, ID: id, Summary: summary, Role: role, Status: http.StatusOK, Media: mediaJSON,
		Params: typeOf[P](), Answer: typeOf[A](),
		serve: func(s *Server, w http.ResponseWriter, r *http.Request, params, _ any) error {
			answer, err := call(r.Context(), s, given[P](params))
			if err != nil {
				return err
			}
			return writeTagged(w, r, answer)
		},
	}
}

// list is an operation that tells of things one by one, as they are found.
func list[P, A any](path string, id, summary string, call func(b Backend, ctx context.Context, p P, found func(A) error) error) Operation {
	return Operation{
		Method: http.MethodGet, Path: path, ID: id, Summary: summary, Role: RoleOperator, Status: http.StatusOK, Media: mediaJSON,
		Params: typeOf[P](), Answer: reflect.TypeFor[[]A](), Streamed: true,
		serve: func(s *Server, w http.ResponseWriter, r *http.Request, params, _ any) error {
			found := lister{w: w}
			err := call(s.backend, r.Context(), given[P](params), func(a A) error { return found.add(a) })
			return s.ended(r, found.end(err), found.begun)
		},
	}
}

// raw is an operation that answers with something else than JSON.
func raw[P any](path, media string, role Role, id, summary string, serve func(s *Server, w http.ResponseWriter, r *http.Request, p P) error) Operation {
	return Operation{
		Method: http.MethodGet, Path: path, ID: id, Summary: summary, Role: role, Status: http.StatusOK, Media: media, Params: typeOf[P](),
		serve: func(s *Server, w http.ResponseWriter, r *http.Request, params, _ any) error {
			return serve(s, w, r, given[P](params))
		},
	}
}

// act is an operation that has something done. With a status of 204 it has no
// answer.
func act[P, B, A any](method, path string, role Role, status int, id, summary string, call func(ctx context.Context, s *Server, p P, b B) (A, error)) Operation {
	return Operation{
		Method: method, Path: path, ID: id, Summary: summary, Role: role, Status: status, Media: mediaJSON,
		Params: typeOf[P](), Body: typeOf[B](), Answer: typeOf[A](),
		serve: func(s *Server, w http.ResponseWriter, r *http.Request, params, body any) error {
			answer, err := call(r.Context(), s, given[P](params), given[B](body))
			if err != nil {
				return err
			}
			if status == http.StatusNoContent {
				w.WriteHeader(status)
				return nil
			}
			return writeJSON(w, status, answer)
		},
	}
}

// typeOf returns a type, nil for none.
func typeOf[T any]() reflect.Type {
	if t := reflect.TypeFor[T](); t != reflect.TypeFor[none]() {
		return t
	}
	return nil
}

// given takes what was decoded as what it is: a pointer to it, or nothing.
func given[T any](v any) T {
	if p, ok := v.(*T); ok {
		return *p
	}
	var nothing T
	return nothing
}
