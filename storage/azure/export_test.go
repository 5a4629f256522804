package azure

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Tuning makes the bounds of a store small enough for tests.
type Tuning struct {
	Stall                   time.Duration
	SingleBytes, BlockBytes int64
	Token                   string // that the identity of this machine gets
}

// identityOf is an identity that gets one token.
type identityOf string

func (i identityOf) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(i), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// OpenTuned is Open with other bounds.
func OpenTuned(o Options, t Tuning) (*Store, error) {
	tuned := usual
	tuned.stall, tuned.partDelay = t.Stall, time.Millisecond
	if t.SingleBytes > 0 {
		tuned.singleBytes, tuned.blockBytes = t.SingleBytes, t.BlockBytes
	}
	if t.Token != "" {
		tuned.token = identityOf(t.Token)
	}
	return open(o, tuned)
}
