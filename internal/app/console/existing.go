package console

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/api"
)

const (
	// maxExisting bounds the files that are named, and existingLimit how long
	// they are looked for: who restores over a large folder sees some.
	maxExisting   = 50
	existingLimit = 20 * time.Second
)

// errEnough ends a command that has told enough.
var errEnough = errors.New("enough is known")

// findExisting finds out which files in the target would be replaced, and which
// kept, by what the command itself foretells.
func (c *Console) findExisting(ctx context.Context, args []string, p *api.RestorePlan) error {
	if inside, err := entries(p.Target); err != nil || inside == 0 {
		return err
	}
	leave, err := c.looking.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, existingLimit, errEnough)
	defer cancel()
	err = c.o.Try(ctx, append(args, "--dry-run", "--verbose", "--json"), func(line []byte) {
		var item struct {
			MessageType string `json:"message_type"`
			Action      string `json:"action"`
			Item        string `json:"item"`
		}
		if json.Unmarshal(line, &item) != nil || item.MessageType != "verbose_status" {
			return
		}
		list := &p.Kept
		switch item.Action {
		case "updated":
			list = &p.Overwrites
		case "unchanged":
		default:
			return
		}
		path := filepath.Join(p.Target, item.Item)
		if info, err := os.Lstat(path); err != nil || info.IsDir() || len(*list) == maxExisting {
			return
		}
		if *list = append(*list, api.PathText(path)); len(p.Kept) == maxExisting && len(p.Overwrites) == maxExisting {
			stop(errEnough)
		}
	})
	if errors.Is(context.Cause(ctx), errEnough) {
		return nil
	}
	return err
}
