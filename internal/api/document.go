package api

import (
	_ "embed"
	"net/http"
)

// document is what tools/openapi writes of Operations.
//
//go:embed openapi.json
var document string

// writeDocument answers with the description of the API.
func writeDocument(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/openapi+json")
	sendTagged(w, r, []byte(document))
	return nil
}
