package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"holdfast/internal/event"
)

// webhook posts JSON.
type webhook struct {
	url    string
	encode func(Note) any
	hide   func(error) error
}

var _ Sender = webhook{}

// Send implements Sender. Any 2xx is success.
func (w webhook) Send(ctx context.Context, n Note) error { return w.hide(w.send(ctx, n)) }

// maxAnswer bounds what is read of an answer, maxShown what an error shows.
const (
	maxAnswer = 64 << 10
	maxShown  = 200
)

func (w webhook) send(ctx context.Context, n Note) error {
	text, err := json.Marshal(w.encode(n))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "holdfast")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the server answers %s %s", resp.Status, strings.TrimSpace(string(answer[:min(len(answer), maxShown)])))
	}
	return err
}

// encodeNote is what a plain webhook gets.
func encodeNote(n Note) any {
	return struct {
		Version  int            `json:"version"`
		Title    string         `json:"title"`
		Text     string         `json:"text"`
		Severity event.Severity `json:"severity"`
		Events   []event.Event  `json:"events"`
	}{1, n.Title, n.Text, n.Severity, n.Events}
}

// encodeSlack is what Slack's incoming webhooks take, and those of Mattermost,
// Rocket.Chat and others.
func encodeSlack(n Note) any {
	return map[string]string{"text": "*" + escapeSlack(n.Title) + "*\n" + escapeSlack(n.Text)}
}

var escapeSlack = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
