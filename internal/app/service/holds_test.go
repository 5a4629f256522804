package service

import (
	"slices"
	"testing"

	"holdfast/internal/app/console"
	"holdfast/internal/app/status"
)

// A hold counts for the plan's sources that it is about, wherever it is; of a
// repository that cannot be asked nobody knows.
func TestHeldSources(t *testing.T) {
	local := func(held ...status.Key) console.RepositorySurvey { return console.RepositorySurvey{Held: held} }
	for _, tc := range []struct {
		places []console.RepositorySurvey
		want   []string
		known  bool
	}{
		{[]console.RepositorySurvey{local(), local()}, nil, true},
		{[]console.RepositorySurvey{local(), local(status.Key{Plan: "shop", Source: "db"})}, []string{"db"}, true},
		{[]console.RepositorySurvey{local(status.Key{}), local(status.Key{Source: "db"})}, []string{"db", "files"}, true},
		{[]console.RepositorySurvey{local(status.Key{Plan: "www"})}, nil, true},
		{[]console.RepositorySurvey{local(), {Down: "no route to host"}}, nil, false},
	} {
		held, known := heldSources("shop", []string{"files", "db"}, console.PlanSurvey{Repositories: tc.places})
		if !slices.Equal(held, tc.want) || known != tc.known {
			t.Errorf("%+v: held %v, %t; want %v, %t", tc.places, held, known, tc.want, tc.known)
		}
	}
}
