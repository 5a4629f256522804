package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"holdfast/internal/secret"
)

// Sender delivers notes to one place. Its errors do not show the URL.
type Sender interface {
	Send(ctx context.Context, n Note) error
}

// Dial makes the sender of a URL:
//
//	https://host/path         a webhook: the note as JSON (docs/guides)
//	slack+https://host/path   a webhook that takes what Slack's do
//	smtp:// ntfy:// ...       as shoutrrr has it (newService)
//
// It does not connect yet.
func Dial(place secret.Value) (Sender, error) {
	text := place.Reveal()
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("the URL of the channel cannot be read") // the error would show it
	}
	scheme := strings.ToLower(u.Scheme)
	hide := hideParts(text, u)
	switch scheme {
	case "":
		return nil, errors.New("the URL of the channel has no scheme, such as https:// or smtp://")
	case "http", "https":
		return webhook{url: text, encode: encodeNote, hide: hide}, nil
	case "slack+http", "slack+https":
		return webhook{url: strings.TrimPrefix(text, "slack+"), encode: encodeSlack, hide: hide}, nil
	}
	return newExternal(u, hide)
}

// hidden replaces what nobody may see.
const hidden = "***"

// hideParts returns a function that takes the URL, and all parts of it that
// may be secret, out of a text.
func hideParts(text string, u *url.URL) func(error) error {
	parts := []string{text, strings.TrimPrefix(text, "slack+")}
	split := func(r rune) bool { return strings.ContainsRune("/?&=@:,#", r) }
	rest := text[min(len(text), len(u.Scheme)+len("://")):]
	for _, part := range strings.FieldsFunc(rest, split) {
		if (part == u.Hostname() || part == u.Port()) && showsHost(u.Scheme) || len(part) < 4 {
			continue
		}
		parts = append(parts, part)
		if plain, err := url.PathUnescape(part); err == nil {
			parts = append(parts, plain)
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		parts = append(parts, u.User.Username(), password, u.User.String())
	}
	var pairs []string
	for _, part := range parts {
		if part != "" {
			pairs = append(pairs, part, hidden)
		}
	}
	replacer := strings.NewReplacer(longestFirst(pairs)...)
	return func(err error) error {
		if err == nil {
			return nil
		}
		return errors.New(replacer.Replace(err.Error()))
	}
}

// longestFirst orders pairs so that no part is replaced within a longer one.
func longestFirst(pairs []string) []string {
	for i := 2; i < len(pairs); i += 2 {
		for j := i; j > 0 && len(pairs[j]) > len(pairs[j-2]); j -= 2 {
			pairs[j], pairs[j-2] = pairs[j-2], pairs[j]
		}
	}
	return pairs
}

// showsHost tells whether the host of such a URL is one, and no token.
func showsHost(scheme string) bool {
	switch strings.TrimPrefix(scheme, "slack+") {
	case "http", "https", "smtp", "ntfy", "gotify", "mattermost", "rocketchat", "matrix":
		return true
	}
	return false
}

var errTooLong = fmt.Errorf("no answer within %v", sendLimit)
