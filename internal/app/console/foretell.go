package console

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/api"
)

// foretellLimit is how long is waited for what a recovery would do.
const foretellLimit = time.Minute

// foretell finds out whether a database can be recovered to where it is asked
// for, and how much that is: the command itself reads which backup and which
// log lead there. The error says what is missing, and wraps api.ErrConflict.
func (c *Console) foretell(ctx context.Context, args []string, p *api.RestorePlan) error {
	leave, err := c.looking.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, foretellLimit)
	defer cancel()
	err = c.o.Try(ctx, append(slices.Clone(args), "--dry-run", "--json"), func(line []byte) {
		var m struct {
			MessageType string `json:"message_type"`
			Files       uint64 `json:"total_files"`
			Bytes       uint64 `json:"total_bytes"`
		}
		if json.Unmarshal(line, &m) == nil && m.MessageType == "summary" {
			p.Files, p.Bytes = m.Files, m.Bytes
		}
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return err
}
