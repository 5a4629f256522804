package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// fileTokens reads a file of credentials, of any of the types that the
// default credentials may be of.
func fileTokens(ctx context.Context, file string) (oauth2.TokenSource, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the credentials for Google Cloud: %w", err)
	}
	var kind struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil { // the error may quote the file
		return nil, fmt.Errorf("read the credentials for Google Cloud: %s is not the JSON file of a service account or of workload identity", file)
	}
	found, err := google.CredentialsFromJSONWithType(ctx, text, kind.Type, scope)
	if err != nil {
		return nil, fmt.Errorf("read the credentials for Google Cloud: %s has credentials of type %q, which cannot be used here", file, kind.Type)
	}
	return found.TokenSource, nil
}

// tokenError says why there is no token. What the token service refused it
// will refuse again.
func tokenError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.Response == nil {
		// Without the error's own chain: its timeouts are none of ours.
		return fmt.Errorf("log in to Google Cloud: %v", err)
	}
	status := refused.Response.StatusCode
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return fmt.Errorf("log in to Google Cloud: the token service answers %d", status)
	}
	return fmt.Errorf("log in to Google Cloud: %w: the credentials are not accepted (%d %s): renew them, and see that this machine's clock is right",
		fs.ErrPermission, status, refused.ErrorCode)
}
