{{- define "xtl.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/name: xtl
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "xtl.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The Secret with the store's credentials, or nothing. */}}
{{- define "xtl.secret" -}}
{{ .Values.store.secret | default (ternary "xtl-store" "" .Values.trialStore.enabled) }}
{{- end -}}

{{/* What Pod Security "restricted" asks of a pod, and of a container. */}}
{{- define "xtl.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "xtl.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where the store is and who we are there. */}}
{{- define "xtl.storeEnv" -}}
{{- with .Values.store.endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.store.region }}
- {name: AWS_DEFAULT_REGION, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* The trial store's secret key: as given, else the one that is there, else made up; once, for whoever asks. */}}
{{- define "xtl.trialKey" -}}
{{- $store := .Values.trialStore -}}
{{- if not $store.secretKey -}}
{{- $old := lookup "v1" "Secret" .Release.Namespace "xtl-store" | default dict -}}
{{- $kept := dig "data" "AWS_SECRET_ACCESS_KEY" "" $old | b64dec -}}
{{- $_ := set $store "secretKey" ($kept | default (randAlphaNum 32)) -}}
{{- end -}}
{{- $store.secretKey -}}
{{- end -}}

{{/* On pods that read the trial store's Secrets: other keys start them anew. Short, so that no key can be told from it. */}}
{{- define "xtl.trialChecksum" -}}
{{- with .Values.trialStore -}}
{{- printf "%s %s %v" .accessKey (include "xtl.trialKey" $) (.endpoint | default .port) | sha256sum | trunc 8 | quote -}}
{{- end -}}
{{- end -}}
