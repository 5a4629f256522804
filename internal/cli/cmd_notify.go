package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
)

func newNotify(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try the channels that tell people",
		Long: `holdfast serve tells people what fails, and when it is over, through the
channels under notify in holdfast.yaml.`,
	}
	cmd.AddCommand(newNotifyTest(c))
	return cmd
}

// notifyMessage tells how a test message fared.
type notifyMessage struct {
	MessageType string `json:"message_type"` // "notified"
	Channel     string `json:"channel"`
	Error       string `json:"error,omitempty"`
}

func newNotifyTest(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "test [CHANNEL...]",
		Short: "Send a test message",
		Long: `Send a test message at once to the channels named, or to all, whatever their quiet
hours and least severity. Errors show no part of a URL that may be secret.`,
		Example: "  holdfast notify test\n  holdfast notify test ops",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.testChannels(cmd.Context(), args) },
	}
}

func (c *command) testChannels(ctx context.Context, names []string) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	told, err := service.NotifyConfig(cfg)
	if err != nil {
		return err
	}
	known := slices.Sorted(maps.Keys(told.Channels))
	if len(known) == 0 {
		return fmt.Errorf("%s has no channels: add some under notify", cfg.Path)
	}
	if len(names) == 0 {
		names = known
	}
	var failed []error
	for _, name := range names {
		channel, ok := told.Channels[name]
		if !ok {
			return fmt.Errorf("%s has no channel %q; it has %s", cfg.Path, name, strings.Join(known, ", "))
		}
		err := service.TestChannel(ctx, channel)
		m := notifyMessage{"notified", name, ""}
		if err != nil {
			m.Error = err.Error()
			failed = append(failed, fmt.Errorf("channel %s: %w", name, err))
		} else {
			c.ui.infof("%s: a message was delivered", name)
		}
		c.ui.message(m)
	}
	return errors.Join(failed...)
}
