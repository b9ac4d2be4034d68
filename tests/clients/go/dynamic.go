package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"sigs.k8s.io/yaml"
)

func dynamics(ctx context.Context, g *group) {
	discovered(g)
	describedAlike(ctx, g)
	unknownKinds(ctx, g)
	metadataAlone(ctx, g)
	scaledByAnyKind(ctx, g)
}

// names are all kinds that a member serves.
func names(client discovery.DiscoveryInterface) []string {
	_, lists, err := client.ServerGroupsAndResources()
	ok(err)
	var names []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			names = append(names, list.GroupVersion+"/"+resource.Name)
		}
	}
	slices.Sort(names)
	return names
}

func discovered(g *group) {
	step("all members serve the same kinds, and describe them")
	first := names(g.on(1).Discovery())
	for _, wanted := range []string{"v1/pods/eviction", "apps/v1/deployments/scale", "coordination.k8s.io/v1/leases"} {
		check(slices.Contains(first, wanted), "there is no %s", wanted)
	}
	for i := range membersCount {
		client := g.on(i + 1).Discovery()
		check(slices.Equal(names(client), first), "node-%d serves others", i+1)
		version := must(client.ServerVersion())
		check(version.Major == "1" && strings.HasPrefix(version.GitVersion, "v1."), "%v", version)
		preferred := must(client.ServerPreferredResources())
		check(len(preferred) > 15, "%d preferred groups", len(preferred))
		paths := must(client.OpenAPIV3().Paths())
		document := must(paths["apis/apps/v1"].Schema("application/json"))
		check(strings.Contains(string(document), "io.k8s.api.apps.v1.Deployment"), "no deployment in the schema")
	}
}

// manifests are of kinds that the program finds by discovery alone.
const manifests = `
apiVersion: v1
kind: Namespace
metadata: {name: found}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: found, namespace: found}
spec:
  replicas: 0
  serviceName: found
  selector: {matchLabels: {app: found}}
  template:
    metadata: {labels: {app: found}}
    spec: {containers: [{name: main, image: 'registry.example/web:1'}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: found}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: found, namespace: found}
spec:
  schedule: '0 0 1 1 *'
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: 'registry.example/web:1'}]}}}}
`

// at finds where an object lives.
func at(client dynamic.Interface, mapper meta.RESTMapper, object *unstructured.Unstructured) dynamic.ResourceInterface {
	kind := object.GroupVersionKind()
	mapping := must(mapper.RESTMapping(kind.GroupKind(), kind.Version))
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client.Resource(mapping.Resource)
	}
	return client.Resource(mapping.Resource).Namespace(object.GetNamespace())
}

// describedAlike compares the document of version 2 in protobuf, which clients ask for, with the
// one in JSON.
func describedAlike(ctx context.Context, g *group) {
	step("the OpenAPI document in protobuf says what the one in JSON does")
	client := g.next().Discovery()
	var binary, plain struct {
		Definitions map[string]any
		Paths       map[string]map[string]any
	}
	ok(yaml.Unmarshal(must(must(client.OpenAPISchema()).YAMLValue("")), &binary))
	raw := client.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept", "application/json")
	ok(json.Unmarshal(must(raw.DoRaw(ctx)), &plain))
	check(len(plain.Definitions) > 500 && len(plain.Paths) > 300, "%d definitions", len(plain.Definitions))
	for name, definition := range plain.Definitions {
		check(reflect.DeepEqual(definition, binary.Definitions[name]), "%s: %v", name, binary.Definitions[name])
	}
	for path, operations := range plain.Paths {
		// Protobuf has no false flags, so operations differ in these.
		check(len(operations) == len(binary.Paths[path]), "%s: %v", path, binary.Paths[path])
	}
}

func unknownKinds(ctx context.Context, g *group) {
	step("objects of kinds that are found by discovery are applied, watched and deleted")
	var dynamics []dynamic.Interface
	for i := range membersCount {
		dynamics = append(dynamics, must(dynamic.NewForConfig(g.config(i+1))))
	}
	next := func() dynamic.Interface { return dynamics[g.nextIndex()-1] }
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(g.next().Discovery()))
	jobs := schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(next(), 0, "found", nil)
	lister := factory.ForResource(jobs).Lister()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	var objects []*unstructured.Unstructured
	for _, document := range strings.Split(manifests, "---\n") {
		object := &unstructured.Unstructured{}
		ok(yaml.Unmarshal([]byte(document), &object.Object))
		objects = append(objects, object)
		made := must(at(next(), mapper, object).Apply(ctx, object.GetName(), object, as("finder")))
		check(made.GetUID() != "", "%v", made)
		_, err := at(next(), mapper, object).Create(ctx, object, metav1.CreateOptions{})
		check(apierrors.IsAlreadyExists(err), "made twice: %v", err)
	}
	eventually(ctx, "the informer has the job", func() bool {
		_, err := lister.ByNamespace("found").Get("found")
		return err == nil
	})
	for _, object := range objects[1:] {
		patch := []byte(`{"metadata":{"annotations":{"note":"here"}}}`)
		must(at(next(), mapper, object).Patch(ctx, object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}))
		list := must(at(next(), mapper, object).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=found"}))
		check(len(list.Items) == 1 && list.Items[0].GetAnnotations()["note"] == "here", "%v", list)
		ok(at(next(), mapper, object).Delete(ctx, object.GetName(), metav1.DeleteOptions{}))
	}
	eventually(ctx, "the informer has it no more", func() bool {
		_, err := lister.ByNamespace("found").Get("found")
		return apierrors.IsNotFound(err)
	})
	ok(at(next(), mapper, objects[0]).Delete(ctx, "found", metav1.DeleteOptions{}))
	eventually(ctx, "the namespace goes", func() bool {
		_, err := at(next(), mapper, objects[0]).Get(ctx, "found", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func metadataAlone(ctx context.Context, g *group) {
	step("metadata is served without the rest")
	maps := corev1.SchemeGroupVersion.WithResource("configmaps")
	for i := range membersCount {
		client := must(metadata.NewForConfig(g.config(i + 1)))
		name := fmt.Sprintf("metadata-%d", i)
		must(g.next().CoreV1().ConfigMaps(namespace).Create(ctx, configMap(name, "metadata", "0"), metav1.CreateOptions{}))
		one := must(client.Resource(maps).Namespace(namespace).Get(ctx, name, metav1.GetOptions{}))
		check(one.Name == name && one.Labels["of"] == "metadata", "%v", one)
		options := metav1.ListOptions{LabelSelector: "of=metadata"}
		list := must(client.Resource(maps).Namespace(namespace).List(ctx, options))
		check(len(list.Items) == i+1, "%d are listed", len(list.Items))
		watcher := must(client.Resource(maps).Namespace(namespace).Watch(ctx, options))
		event := <-watcher.ResultChan()
		check(event.Object.(*metav1.PartialObjectMetadata).Labels["of"] == "metadata", "%v", event)
		watcher.Stop()
	}
}

func scaledByAnyKind(ctx context.Context, g *group) {
	step("a scale client finds the scale of each kind")
	must(g.next().AppsV1().Deployments(namespace).Create(ctx, deployment("any", 1), metav1.CreateOptions{}))
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for i := range membersCount {
		discovery := g.on(i + 1).Discovery()
		mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery))
		client := must(scale.NewForConfig(g.config(i+1), mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(discovery)))
		patch := []byte(fmt.Sprintf(`{"spec":{"replicas":%d}}`, i+2))
		must(client.Scales(namespace).Patch(ctx, resource.WithVersion("v1"), "any", types.MergePatchType, patch, metav1.PatchOptions{}))
		scaled := must(client.Scales(namespace).Get(ctx, resource, "any", metav1.GetOptions{}))
		check(int(scaled.Spec.Replicas) == i+2, "%v", scaled)
	}
	ok(g.next().AppsV1().Deployments(namespace).Delete(ctx, "any", metav1.DeleteOptions{}))
}
