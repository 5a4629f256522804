package api

import (
	"context"
	"fmt"
	"slices"
)

// Role says what somebody may do.
type Role int

// The roles: each may do what those before it may. A viewer sees names, sizes,
// outcomes and logs of runs, and nothing of what is in the backups; an operator
// looks into snapshots, starts jobs, restores and places holds; an admin also
// forgets, releases holds, protects and hands out tokens.
const (
	Nobody Role = iota
	RoleViewer
	RoleOperator
	RoleAdmin
)

var roleNames = [...]string{"nobody", "viewer", "operator", "admin"}

func (r Role) String() string {
	if r < Nobody || r > RoleAdmin {
		return "unknown"
	}
	return roleNames[r]
}

// MarshalText gives the role its name in JSON.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}

// ParseRole reads the name of a role that somebody can have.
func ParseRole(name string) (Role, error) {
	if n := slices.Index(roleNames[:], name); n > int(Nobody) {
		return Role(n), nil
	}
	return Nobody, fmt.Errorf("%w: %q is no role; there are viewer, operator and admin", ErrInvalid, name)
}

// Principal is who asks.
type Principal struct {
	// Name is that of the token.
	Name string
	Role Role
	// CSRF is what forms of this session must carry; "" for one that asks
	// with a token.
	CSRF string
}

type principalKey struct{}

// PrincipalOf returns who asks, as the guard found out.
func PrincipalOf(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// WithPrincipal returns a context of which PrincipalOf tells who asks. The
// guard does it for requests; tests of handlers may do it themselves.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}
