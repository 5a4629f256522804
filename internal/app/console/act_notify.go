package console

import (
	"context"
	"fmt"

	"holdfast/internal/api"
)

// TestNotify implements api.Operator: whoever asks waits for the delivery.
func (c *Console) TestNotify(ctx context.Context, channel string) error {
	if _, ok := c.o.Config().Notify[channel]; !ok {
		return fmt.Errorf("%w: there is no channel %q under notify in holdfast.yaml", api.ErrNotFound, channel)
	}
	if err := c.o.TestChannel(ctx, channel); err != nil {
		return fmt.Errorf("%w: the test message was not delivered: %w", api.ErrUnavailable, err)
	}
	return nil
}
