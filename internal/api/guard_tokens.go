package api

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/event"
)

// AllTokens, CreateToken and RevokeToken are for pages and requests of admins.
func (g *Guard) AllTokens() ([]TokenInfo, error) { return g.tokens.List() }

// CreateToken makes a token for whoever the context says; see Tokens.Create.
func (g *Guard) CreateToken(ctx context.Context, name string, role Role, lifetime time.Duration) (string, TokenInfo, error) {
	p, _ := PrincipalOf(ctx)
	secret, info, err := g.tokens.Create(name, role, lifetime, p.Name)
	if err == nil {
		err = g.tokens.refresh()
	}
	return secret, info, err
}

// RevokeToken ends a token and all sessions that it began; see Tokens.Revoke.
func (g *Guard) RevokeToken(_ context.Context, name string) error {
	if err := g.tokens.Revoke(name); err != nil {
		return err
	}
	return g.tokens.refresh()
}

// tellTokens tells of tokens that came and went, whoever saw to it: here, or on
// the command line.
func (g *Guard) tellTokens(made, gone []TokenInfo) {
	for _, info := range made {
		g.tellToken("token-made", fmt.Sprintf("token %s with the role %s was made by %s", info.Name, info.Role, info.By), info)
	}
	for _, info := range gone {
		g.tellToken("token-revoked", fmt.Sprintf("token %s with the role %s was revoked", info.Name, info.Role), info)
	}
}

func (g *Guard) tellToken(act, what string, info TokenInfo) {
	g.audit.write(AuditEntry{Time: g.now(), Act: act, About: map[string]string{"token": info.Name, "role": info.Role.String(), "made_by": info.By}})
	g.events.Emit(event.Event{
		Time: g.now(), Kind: event.TokenChanged, Severity: event.Info, Summary: what, Details: map[string]string{"token": info.Name},
	})
}

// Audit returns at most limit entries of the audit log since an instant, the
// newest first.
func (g *Guard) Audit(since time.Time, limit int) ([]AuditEntry, error) {
	return g.audit.newest(since, limit)
}
