package api

import (
	"context"
	"sync"
)

// asking is what is known of one request.
type asking struct {
	principal Principal
	token     sessionKey // hash of the token
	session   string     // ID of the session, "" for a token

	mu    sync.Mutex
	act   string
	about map[string]string // nil unless somebody noted something
}

type askingKey struct{}

func askingOf(ctx context.Context) *asking {
	a, _ := ctx.Value(askingKey{}).(*asking)
	return a
}

// Note puts what a request is about into its entry of the audit log, which it
// has in any case then: requests that only read have none else. No secrets.
func Note(ctx context.Context, key, value string) {
	if a := askingOf(ctx); a != nil && value != "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.about == nil {
			a.about = make(map[string]string)
		}
		a.about[key] = clip(value)
	}
}

// Act names what a request asks for in its entry of the audit log, in the words
// of the API: see Operation.ID.
func Act(ctx context.Context, name string) {
	if a := askingOf(ctx); a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.act = name
	}
}
