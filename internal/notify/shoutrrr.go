package notify

import (
	"context"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// external sends through one of the services that shoutrrr knows.
type external struct {
	router *router.ServiceRouter
	titled bool
	hide   func(error) error
}

var _ Sender = external{}

func newShoutrrr(url, _ string, hide func(error) error) (Sender, error) {
	r, err := shoutrrr.CreateSender(url)
	if err != nil {
		return nil, hide(err)
	}
	return external{router: r, hide: hide}, nil
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
	params := types.Params{"title": n.Title}
	for _, err := range e.router.Send(n.Title+"\n\n"+n.Text, &params) {
		if err != nil {
			return err
		}
	}
	return nil
}
