package notify

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// newService makes a service of shoutrrr by the scheme of its URL, nil if it is
// none of these: those that take a plain webhook are had by one, and each
// makes every start of holdfast slower.
func newService(scheme string) types.Service {
	switch scheme {
	case "discord":
		return &discord.Service{}
	case "googlechat":
		return &googlechat.Service{}
	case "gotify":
		return &gotify.Service{}
	case "matrix":
		return &matrix.Service{}
	case "ntfy":
		return &ntfy.Service{}
	case "opsgenie":
		return &opsgenie.Service{}
	case "pagerduty":
		return &pagerduty.Service{}
	case "pushover":
		return &pushover.Service{}
	case "rocketchat":
		return &rocketchat.Service{}
	case "smtp":
		return &smtp.Service{}
	case "telegram":
		return &telegram.Service{}
	}
	return nil
}

// schemes are those that Dial knows.
var schemes = [...]string{
	"https", "slack+https", "discord", "googlechat", "gotify", "matrix", "ntfy", "opsgenie", "pagerduty", "pushover",
	"rocketchat", "smtp", "telegram",
}

// external sends through one of the services.
type external struct {
	service types.Service
	hide    func(error) error
}

var _ Sender = external{}

func newExternal(u *url.URL, hide func(error) error) (Sender, error) {
	service := newService(strings.ToLower(u.Scheme))
	if service == nil {
		known := slices.Clone(schemes[:])
		return nil, hide(fmt.Errorf("the URL of the channel is of an unknown kind; known are %s", strings.Join(known, ", ")))
	}
	if err := service.Initialize(u, log.New(io.Discard, "", 0)); err != nil {
		return nil, hide(err)
	}
	return external{service, hide}, nil
}

// Send implements Sender. What it sends through cannot be told to stop: when
// ctx ends it is left to its own limits.
func (e external) Send(ctx context.Context, n Note) error {
	sent := make(chan error, 1)
	go func() { sent <- e.send(n) }()
	select {
	case err := <-sent:
		return e.hide(err)
	case <-ctx.Done():
		return errTooLong
	}
}

// send gives the title both as one, which mails use as their subject, and as
// the first line, for services that have none.
func (e external) send(n Note) error {
	return e.service.Send(n.Title+"\n\n"+n.Text, &types.Params{"title": n.Title})
}
