package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

func typed(ctx context.Context, g *group) {
	life(ctx, g)
	scaleAndStatus(ctx, g)
	conflicts(ctx, g)
	pages(ctx, g)
	streamedList(ctx, g)
	protobuf(ctx, g)
	repeatedEvents(ctx, g)
	evictions(ctx, g)
}

func life(ctx context.Context, g *group) {
	step("a config map lives, each request at another member")
	maps := func() typedcorev1.ConfigMapInterface { return g.next().CoreV1().ConfigMaps(namespace) }
	made := must(maps().Create(ctx, configMap("life", "life", "0"), metav1.CreateOptions{}))
	_, err := maps().Create(ctx, configMap("life", "life", "0"), metav1.CreateOptions{})
	check(apierrors.IsAlreadyExists(err), "created twice: %v", err)
	read := must(maps().Get(ctx, "life", metav1.GetOptions{}))
	check(equality.Semantic.DeepEqual(made, read), "%v is read as %v", made, read)

	read.Data["a"] = "1"
	updated := must(maps().Update(ctx, read, metav1.UpdateOptions{FieldManager: "updater"}))
	check(updated.ResourceVersion != made.ResourceVersion, "the version stays")
	_, err = maps().Update(ctx, made, metav1.UpdateOptions{})
	check(apierrors.IsConflict(err), "a stale update: %v", err)
	for kind, patch := range map[types.PatchType]string{
		types.MergePatchType:          `{"data":{"merge":"yes"}}`,
		types.StrategicMergePatchType: `{"metadata":{"labels":{"strategic":"yes"}}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/data/json","value":"yes"}]`,
	} {
		must(maps().Patch(ctx, "life", kind, []byte(patch), metav1.PatchOptions{}))
	}
	patched := must(maps().Get(ctx, "life", metav1.GetOptions{}))
	check(patched.Data["merge"] == "yes" && patched.Data["json"] == "yes", "data: %v", patched.Data)
	check(patched.Labels["strategic"] == "yes", "labels: %v", patched.Labels)

	trial := must(maps().Create(ctx, configMap("trial", "life", "0"), metav1.CreateOptions{DryRun: []string{"All"}}))
	check(trial.UID != "", "a dry run makes the whole object")
	_, err = maps().Get(ctx, "trial", metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "a dry run stays: %v", err)
	bad := configMap("Bad_Name", "life", "0")
	_, err = maps().Create(ctx, bad, metav1.CreateOptions{})
	check(apierrors.IsInvalid(err), "a bad name: %v", err)

	generated := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "life-"}}
	generated.Labels = map[string]string{"of": "life"}
	check(len(must(maps().Create(ctx, generated, metav1.CreateOptions{})).Name) > len("life-"), "no name")
	named := must(maps().List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=life"}))
	check(len(named.Items) == 1, "by its name: %d", len(named.Items))
	listed := must(maps().List(ctx, metav1.ListOptions{LabelSelector: "of in (life, death),nosuch!=x"}))
	check(len(listed.Items) == 2, "by labels: %d", len(listed.Items))

	wrong := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("other")}
	check(apierrors.IsConflict(maps().Delete(ctx, "life", wrong)), "deleted in spite of another uid")
	ok(maps().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "of=life"}))
	_, err = maps().Get(ctx, "life", metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "still there: %v", err)
}

func scaleAndStatus(ctx context.Context, g *group) {
	step("scale and status are written apart from the rest")
	made := must(g.next().AppsV1().Deployments(namespace).Create(ctx, deployment("scaled", 1), metav1.CreateOptions{}))
	check(made.Generation == 1, "generation %d", made.Generation)
	ok(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		scale := must(g.next().AppsV1().Deployments(namespace).GetScale(ctx, "scaled", metav1.GetOptions{}))
		scale.Spec.Replicas = 4
		_, err := g.next().AppsV1().Deployments(namespace).UpdateScale(ctx, "scaled", scale, metav1.UpdateOptions{})
		return err
	}))
	scaled := must(g.next().AppsV1().Deployments(namespace).Get(ctx, "scaled", metav1.GetOptions{}))
	check(*scaled.Spec.Replicas == 4 && scaled.Generation == 2, "%v", scaled)
	ok(g.next().AppsV1().Deployments(namespace).Delete(ctx, "scaled", metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
	}))

	ingress := must(g.next().NetworkingV1().Ingresses(namespace).Create(ctx, site("status", "1"), metav1.CreateOptions{}))
	ingress.Spec.Rules = nil
	ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{Hostname: "web.example"}}
	must(g.next().NetworkingV1().Ingresses(namespace).UpdateStatus(ctx, ingress, metav1.UpdateOptions{}))
	ingress = must(g.next().NetworkingV1().Ingresses(namespace).Get(ctx, "status", metav1.GetOptions{}))
	check(len(ingress.Spec.Rules) == 1, "the status' writer changed the rules")
	check(ingress.Status.LoadBalancer.Ingress[0].Hostname == "web.example", "%v", ingress.Status)
	check(ingress.Generation == 1, "generation %d", ingress.Generation)
	ok(g.next().NetworkingV1().Ingresses(namespace).Delete(ctx, "status", metav1.DeleteOptions{}))
}

// conflicts counts in one object from everywhere at once.
func conflicts(ctx context.Context, g *group) {
	const writers, turns = 6, 10
	step("%d writers count to %d together, and try again after conflicts", writers, writers*turns)
	must(g.next().CoreV1().ConfigMaps(namespace).Create(ctx, configMap("counter", "counter", "0"), metav1.CreateOptions{}))
	patient := wait.Backoff{Steps: 200, Duration: 1e6, Factor: 1.1, Jitter: 0.5, Cap: 50e6}
	var group sync.WaitGroup
	for writer := range writers {
		maps := g.on(writer%membersCount + 1).CoreV1().ConfigMaps(namespace)
		group.Go(func() {
			for range turns {
				ok(retry.RetryOnConflict(patient, func() error { return count(ctx, maps) }))
			}
		})
	}
	group.Wait()
	counter := must(g.next().CoreV1().ConfigMaps(namespace).Get(ctx, "counter", metav1.GetOptions{}))
	check(counter.Data["a"] == strconv.Itoa(writers*turns), "counted to %s", counter.Data["a"])
}

func count(ctx context.Context, maps typedcorev1.ConfigMapInterface) error {
	counter, err := maps.Get(ctx, "counter", metav1.GetOptions{})
	if err != nil {
		return err
	}
	counter.Data["a"] = strconv.Itoa(must(strconv.Atoi(counter.Data["a"])) + 1)
	_, err = maps.Update(ctx, counter, metav1.UpdateOptions{})
	return err
}

func pages(ctx context.Context, g *group) {
	const objects, pageSize = 25, 10
	step("a list of %d comes in pages of %d, each from another member", objects, pageSize)
	for n := range objects {
		name := fmt.Sprintf("page-%02d", n)
		must(g.next().CoreV1().ConfigMaps(namespace).Create(ctx, configMap(name, "pages", "0"), metav1.CreateOptions{}))
	}
	versions, requests := map[string]bool{}, 0
	paged := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		requests++
		page, err := g.next().CoreV1().ConfigMaps(namespace).List(ctx, options)
		if err == nil {
			versions[page.ResourceVersion] = true
		}
		if requests == 1 {
			// What comes meanwhile is not in the list that was begun.
			late := configMap("page-99", "pages", "0")
			must(g.next().CoreV1().ConfigMaps(namespace).Create(ctx, late, metav1.CreateOptions{}))
		}
		return page, err
	})
	paged.PageSize = pageSize
	var names []string
	ok(paged.EachListItem(ctx, metav1.ListOptions{LabelSelector: "of=pages"}, func(object runtime.Object) error {
		names = append(names, object.(*corev1.ConfigMap).Name)
		return nil
	}))
	check(len(names) == objects && names[objects-1] == "page-24", "names: %v", names)
	check(requests == 3 && len(versions) == 1, "%d requests saw the versions %v", requests, versions)
}

func streamedList(ctx context.Context, g *group) {
	step("a list comes as a watch, ends with a mark, and goes on")
	watcher := must(g.next().CoreV1().ConfigMaps(namespace).Watch(ctx, metav1.ListOptions{
		LabelSelector:        "of=pages",
		SendInitialEvents:    ptr.To(true),
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		AllowWatchBookmarks:  true,
	}))
	defer watcher.Stop()
	listed := 0
	for event := range watcher.ResultChan() {
		object := event.Object.(*corev1.ConfigMap)
		if event.Type == watch.Bookmark {
			check(object.Annotations[metav1.InitialEventsAnnotationKey] == "true", "%v", object.Annotations)
			break
		}
		check(event.Type == watch.Added, "%v", event)
		listed++
	}
	check(listed == 26, "%d are listed", listed)
	must(g.next().CoreV1().ConfigMaps(namespace).Create(ctx, configMap("page-later", "pages", "0"), metav1.CreateOptions{}))
	for event := range watcher.ResultChan() {
		if event.Type != watch.Bookmark {
			check(event.Object.(*corev1.ConfigMap).Name == "page-later", "%v", event)
			return
		}
	}
	check(false, "the watch ended")
}

func protobuf(ctx context.Context, g *group) {
	step("a client that is set to protobuf is read, and answered in JSON")
	for i := range membersCount {
		config := g.config(i + 1)
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		wire := listen(config)
		client := must(kubernetes.NewForConfig(config))
		there := g.on(i%membersCount + 1)
		deployments := client.AppsV1().Deployments(namespace)
		made := must(deployments.Create(ctx, deployment("binary", 3), metav1.CreateOptions{}))
		check(*made.Spec.Replicas == 3 && made.Spec.Template.Spec.Containers[0].Name == "main", "%v", made)
		read := must(there.AppsV1().Deployments(namespace).Get(ctx, "binary", metav1.GetOptions{}))
		check(equality.Semantic.DeepEqual(made.Spec, read.Spec), "%v is read as %v", made.Spec, read.Spec)
		ok(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			read := must(deployments.Get(ctx, "binary", metav1.GetOptions{}))
			read.Spec.Replicas = ptr.To(int32(2))
			_, err := deployments.Update(ctx, read, metav1.UpdateOptions{})
			return err
		}))
		list := must(deployments.List(ctx, metav1.ListOptions{LabelSelector: "app=binary"}))
		check(len(list.Items) == 1 && *list.Items[0].Spec.Replicas == 2, "%v", list)
		ok(deployments.Delete(ctx, "binary", metav1.DeleteOptions{}))
		check(wire.sent[runtime.ContentTypeProtobuf] >= 3, "sent: %v", wire.sent)
		check(len(wire.answered) == 1 && wire.answered[runtime.ContentTypeJSON] > 4, "answered: %v", wire.answered)
		eventually(ctx, "the deployment goes", func() bool {
			_, err := there.AppsV1().Deployments(namespace).Get(ctx, "binary", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	}
}

// repeatedEvents records as controllers do: a repeated event is counted, not made again.
func repeatedEvents(ctx context.Context, g *group) {
	step("a recorder's repeated event is one event with a count")
	about := must(g.next().CoreV1().ConfigMaps(namespace).Get(ctx, "counter", metav1.GetOptions{}))
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: g.next().CoreV1().Events("")})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "test"})
	for range 3 {
		recorder.Event(about, corev1.EventTypeNormal, "Counted", "it was counted")
	}
	eventually(ctx, "the event is counted", func() bool {
		events := must(g.next().CoreV1().Events(namespace).Search(scheme.Scheme, about))
		return len(events.Items) == 1 && events.Items[0].Count == 3
	})
}
