package api

import "context"

// Role says what somebody may do.
type Role int

// The roles: each may do what those before it may. A viewer sees names, sizes
// and outcomes, and nothing of what is in the backups; an operator looks into
// snapshots, starts jobs and restores; an admin also forgets, releases holds,
// protects and hands out tokens.
const (
	Nobody Role = iota
	RoleViewer
	RoleOperator
	RoleAdmin
)

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
