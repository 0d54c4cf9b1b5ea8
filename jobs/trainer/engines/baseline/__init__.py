"""A classical text model: TF-IDF, linear models and nearest neighbours, one predictor for each field of the answer."""
