package main

import (
	"net/http"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// wire notes what a client sends and is answered.
type wire struct {
	lock sync.Mutex
	// sent and answered are content types, of bodies alone.
	sent, answered map[string]int
	// lists and streamedLists are requests for whole lists, in pages or as a watch.
	lists, streamedLists int
}

type wired struct {
	wire *wire
	next http.RoundTripper
}

// listen has config's client noted.
func listen(config *rest.Config) *wire {
	w := &wire{sent: map[string]int{}, answered: map[string]int{}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return wired{w, next} })
	return w
}

func (w wired) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(request)
	w.wire.note(request, response)
	return response, err
}

func (w *wire) note(request *http.Request, response *http.Response) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if request.Body != nil {
		w.sent[request.Header.Get("Content-Type")]++
	}
	if response == nil {
		return
	}
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	w.answered[kind]++
	query := request.URL.Query()
	switch {
	case query.Get("sendInitialEvents") == "true":
		w.streamedLists++
	case request.Method == http.MethodGet && query.Get("watch") == "":
		w.lists++
	}
}

// allLists is how often a whole list was asked for.
func (w *wire) allLists() int {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.lists + w.streamedLists
}
