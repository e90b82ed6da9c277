{{/* What the charts of the addons have in common. `make generate` copies charts/common/_addon.tpl into each of them. */}}

{{/* Labels by which pods are found; they never change. */}}
{{- define "addon.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Values.instance | default .Release.Name | quote }}
app.kubernetes.io/component: {{ .Chart.Name | quote }}
{{- end }}

{{- define "addon.labels" -}}
{{ include "addon.selector" . }}
app.kubernetes.io/part-of: "user-info"
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "addon.meta" -}}
name: {{ .Release.Name | quote }}
namespace: {{ .Release.Namespace | quote }}
labels: {{- include "addon.labels" . | nindent 2 }}
{{- end }}

{{- define "addon.image" -}}
{{- with .Values.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* What every container has. */}}
{{- define "addon.container" -}}
image: {{ include "addon.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Who the programs run as; what they write belongs to that group. */}}
{{- define "addon.security" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.user }}
  runAsGroup: {{ .Values.group }}
  fsGroup: {{ .Values.group }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where pods run. */}}
{{- define "addon.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Without the chart's version: a pod is not replaced for that alone. */}}
{{- define "addon.podMeta" -}}
labels:
  {{- with .Values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- include "addon.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: "user-info"
{{- end }}

{{/* The volume `data`, unless it is a claim. */}}
{{- define "addon.data" -}}
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir: {}
{{- end }}
{{- end }}

{{/* The claim of the volume `data`. It goes with the release unless it is to be kept. */}}
{{- define "addon.claim" -}}
{{- with .Values.persistence }}
{{- if .enabled }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ ternary "Retain" "Delete" .retain }}
  whenScaled: Retain
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: data
      labels: {{- include "addon.selector" $ | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClass }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources: {requests: {storage: {{ .size | quote }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* A kept volume can only be opened with the secrets that it was made with: they are kept too. */}}
{{- define "addon.keep" -}}
{{- if and .Values.persistence.enabled .Values.persistence.retain }}
annotations: {helm.sh/resource-policy: keep}
{{- end }}
{{- end }}

{{/* Base64 of what the Secret of this release holds under a key, or empty: what is generated is generated once. Takes [root, key]. */}}
{{- define "addon.kept" -}}
{{- $root := index . 0 -}}
{{- $data := (lookup "v1" "Secret" $root.Release.Namespace $root.Release.Name).data | default dict -}}
{{- index $data (index . 1) | default "" -}}
{{- end }}

{{/* The pod of `helm test` up to its container's command. */}}
{{- define "addon.testPod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "%s-test" .Release.Name | quote }}
  namespace: {{ .Release.Namespace | quote }}
  # Not those by which the Service finds its pods.
  labels: {app.kubernetes.io/instance: {{ .Values.instance | default .Release.Name | quote }}, app.kubernetes.io/component: {{ printf "%s-test" .Chart.Name | quote }}}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  {{- include "addon.security" . | nindent 2 }}
  {{- with include "addon.scheduling" . | trim }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: test
      {{- include "addon.container" . | nindent 6 }}
{{- end }}
