"""Pages on many rows at once: lists, bulk changes, coverage, pairs. Part of urls.py."""

from django.urls import path

from .views import bulk, coverage, pairs, rows

_PROJECT = "projects/<slug:slug>"

urlpatterns = [
    path(f"{_PROJECT}/rows/", rows.index, name="review_rows"),
    path(f"{_PROJECT}/rows/assign/", rows.assign, name="rows_assign"),
    path(f"{_PROJECT}/rows/views/", rows.keep_view, name="rows_view_keep"),
    path(f"{_PROJECT}/rows/views/<int:pk>/remove/", rows.drop_view, name="rows_view_drop"),
    path(f"{_PROJECT}/bulk/", bulk.begin, name="bulk_begin"),
    path(f"{_PROJECT}/bulk/<int:pk>/", bulk.show, name="bulk"),
    path(f"{_PROJECT}/bulk/<int:pk>/go/", bulk.go, name="bulk_go"),
    path(f"{_PROJECT}/bulk/<int:pk>/undo/", bulk.undo, name="bulk_undo"),
    path(f"{_PROJECT}/coverage/", coverage.index, name="coverage"),
    path(f"{_PROJECT}/pairs/", pairs.index, name="pairs"),
    path(f"{_PROJECT}/pairs/<int:pk>/", pairs.decide, name="pair_decide"),
]
