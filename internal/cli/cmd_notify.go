package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/event"
	"holdfast/internal/notify"
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
	known := sortedKeys(told.Channels)
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
		err := testChannel(ctx, channel)
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

// testLimit bounds the delivery of a test message.
const testLimit = time.Minute

func testChannel(ctx context.Context, channel notify.Channel) error {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	url, err := channel.URL.Resolve(ctx)
	if err != nil {
		return err
	}
	sender, err := notify.Dial(url)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	e := event.Event{Time: time.Now(), Kind: event.Test, Summary: "this is a test of holdfast on " + host}
	return sender.Send(ctx, notify.Note{Title: "TEST: " + e.Summary, Text: "Whoever reads this is told when a backup fails.", Events: []event.Event{e}})
}
