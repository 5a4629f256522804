package servers

import (
	"encoding/json"
	"net/http"
	"testing"
)

// User makes credentials that may do what a policy of S3 allows, and no more.
func (s *S3Server) User(t testing.TB, policy []byte) (accessKey, secretKey string) {
	t.Helper()
	accessKey, secretKey = random(), random()+random()
	account, err := json.Marshal(map[string]any{
		"policy": json.RawMessage(policy), "accessKey": accessKey, "secretKey": secretKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := adminSeal(s.SecretKey, account)
	if err == nil {
		err = s.admin(t.Context(), http.MethodPut, "/minio/admin/v3/add-service-account", sealed)
	}
	if err != nil {
		t.Fatalf("making a user: %v", err)
	}
	return accessKey, secretKey
}
