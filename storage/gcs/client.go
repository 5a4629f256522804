package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"holdfast/storage/internal/httpx"
)

// client speaks the JSON API: https://cloud.google.com/storage/docs/json_api/v1.
// Every call is one request; storage/retry decides about more.
type client struct {
	endpoint  string
	bucket    string
	transport *httpx.Transport
	tokens    oauth2.TokenSource // nil: none are sent
}

func newClient(ctx context.Context, o Options, stall stallTime) (*client, error) {
	transport, err := httpx.NewTransport(httpx.Options{
		Connections: o.Connections, CACertFile: o.CACertFile, ClientCertFile: o.ClientCertFile, AnyServer: o.AnyServer, Stall: stall,
	})
	if err != nil {
		return nil, err
	}
	c := &client{endpoint: o.Endpoint, bucket: o.Bucket, transport: transport}
	c.tokens, err = tokenSource(ctx, o, transport)
	return c, err
}

const scope = "https://www.googleapis.com/auth/devstorage.full_control"

// tokenSource finds the credentials. Nothing is asked of Google yet, but a
// machine without any configuration is asked whether it is one of Google's.
func tokenSource(ctx context.Context, o Options, transport *httpx.Transport) (oauth2.TokenSource, error) {
	if o.Anonymous {
		return nil, nil
	}
	if o.AccessToken != "" {
		return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: o.AccessToken, TokenType: "Bearer"}), nil
	}
	// Tokens are fetched for as long as the store is open, over the same
	// transport: with its certificates, and its bound on stalls.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Transport: transport})
	if o.CredentialsFile != "" {
		return fileTokens(ctx, o.CredentialsFile)
	}
	found, err := google.FindDefaultCredentials(ctx, scope)
	if err != nil {
		return nil, fmt.Errorf("no credentials for Google Cloud: set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_ACCESS_TOKEN, or log in (gcloud auth application-default login): %w", err)
	}
	return found.TokenSource, nil
}

// object is the URL of an object, and upload where a new one is sent to.
func (c *client) object(name string) string {
	return c.endpoint + "/storage/v1/b/" + url.PathEscape(c.bucket) + "/o/" + url.PathEscape(name)
}

func (c *client) objects() string {
	return c.endpoint + "/storage/v1/b/" + url.PathEscape(c.bucket) + "/o"
}

func (c *client) upload() string {
	return c.endpoint + "/upload/storage/v1/b/" + url.PathEscape(c.bucket) + "/o"
}

func (c *client) bucketURL() string {
	return c.endpoint + "/storage/v1/b/" + url.PathEscape(c.bucket)
}

// send sends one request and returns the answer if it is a good one.
func (c *client) send(ctx context.Context, req *http.Request) (*http.Response, error) {
	// The address of an upload is the service's choice, and enough by itself.
	if c.tokens != nil && strings.HasPrefix(req.URL.String(), c.endpoint+"/") {
		token, err := c.tokens.Token()
		if err != nil {
			return nil, tokenError(ctx, err)
		}
		token.SetAuthHeader(req)
	}
	req.Header.Set("User-Agent", "holdfast")
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusPermanentRedirect {
		defer resp.Body.Close()
		return nil, answerErrorOf(resp)
	}
	return resp, nil
}

// request makes a request for address with the parameters of query.
func request(ctx context.Context, method, address string, query url.Values, body io.Reader) (*http.Request, error) {
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("the address of the service cannot be used: check the endpoint")
	}
	return req, nil
}

// call sends in, if it is not nil, and reads the answer into out, if that is
// not nil. Both are JSON.
func (c *client) call(ctx context.Context, method, address string, query url.Values, in, out any) error {
	_, err := c.callHeader(ctx, method, address, query, in, out)
	return err
}

func (c *client) callHeader(ctx context.Context, method, address string, query url.Values, in, out any) (http.Header, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := request(ctx, method, address, query, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	resp, err := c.send(ctx, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Header, decode(ctx, resp.Body, out)
}

// maxAnswerBytes bounds an answer in JSON: a page of 1000 objects has some
// 300 KiB.
const maxAnswerBytes = 32 << 20

func decode(ctx context.Context, body io.Reader, out any) error {
	if out == nil {
		_, err := io.Copy(io.Discard, io.LimitReader(body, maxAnswerBytes)) // so that the connection is used again
		return err
	}
	err := json.NewDecoder(io.LimitReader(body, maxAnswerBytes)).Decode(out)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("the service's answer cannot be read: %w", err)
	}
	return nil
}
