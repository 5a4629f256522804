package web

import (
	"net/http"

	"holdfast/internal/api"
)

// download sends a file, or a folder as an archive, as the API does.
func (s *site) download(w http.ResponseWriter, r *http.Request) {
	q := api.DownloadQuery{
		Repository: r.PathValue("repository"), Snapshot: r.PathValue("id"),
		Path: r.FormValue("path"), Archive: r.FormValue("archive"),
	}
	if err := api.ServeDownload(w, r, s.Backend, q, s.Log); err != nil {
		s.render(w, r, s.errorPage(r, err))
	}
}
